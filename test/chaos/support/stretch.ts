/**
 * One stretch of a client's life: from a connect that was not recovered to the next. Which rooms the client was in and from when to when,
 * and what it heard there. Owed is what began after a join was answered and lies before what the client had heard when it asked to leave;
 * what is published around a join or a leave may come or not, but never twice and never out of its sender's order. Pure.
 */
import { isAfter, STREAM_START, type StreamOffset } from '../../../src/stream/offset.ts';
import type { Acknowledged, Numbered, Published } from './published.ts';
import { Runs } from './runs.ts';

export interface Heard extends Numbered {
	/** What the message carried as its offset; undefined when it came without the stream. */
	readonly offset: StreamOffset | undefined;
}

export type Membership = 'out' | 'joining' | 'in' | 'leaving';

/** A promise that was not kept, and where it shows: in the history, or where the client passed that offset. */
export interface Flaw {
	readonly sentence: string;
	readonly at: number | StreamOffset;
}

/** Numbers of one sender that were passed over. */
interface Hole {
	readonly sender: string;
	readonly from: number;
	readonly to: number;
	/** Where in the history it showed. */
	readonly at: number;
	/** The client was recovered after it: it was told that nothing is missing. */
	vouched: boolean;
}

/** Came when it should not have: a breach if it was owed earlier, or was begun after the leave. */
interface Untimely extends Numbered {
	readonly at: number;
}

interface Stay {
	readonly room: string;
	/** Owed is what began after this; undefined: what writers sent, after the first offset that was heard. */
	readonly since: number | undefined;
	/** Where the client was when it began; undefined: it has heard no message to a room yet. */
	from: StreamOffset | undefined;
	/** Where the client was when it asked to leave. */
	until: StreamOffset | undefined;
	/** The last number of each sender that was heard in it. */
	readonly spans: Map<string, number>;
}

interface Place {
	membership: Membership;
	/** By another's `socketsJoin` or `socketsLeave`, which takes effect whether the client is connected or not. */
	isMoved: boolean;
	stay: Stay | undefined;
	leftAt: number;
}

export class Stretch {
	readonly #published: Published;
	readonly #begunAt: number;
	readonly #heard = new Map<string, Runs>();
	readonly #places = new Map<string, Place>();
	readonly #stays: Stay[] = [];
	readonly #holes: Hole[] = [];
	readonly #late: Untimely[] = [];
	readonly #strays: (Untimely & { readonly leftAt: number })[] = [];
	#hasBegun = false;
	#last: StreamOffset | undefined;
	/** Where the client was when it was last recovered. */
	#vouchedUpTo: StreamOffset | undefined;

	constructor(published: Published, declared: readonly string[]) {
		this.#published = published;
		this.#begunAt = published.now();
		for (const room of declared) {
			this.#enter(room, undefined);
		}
	}

	/** The client is told that it has missed nothing. */
	vouch(): void {
		this.#vouchedUpTo = this.#last;
		for (const hole of this.#holes) {
			hole.vouched = true;
		}
	}

	membershipOf(room: string): Membership {
		return this.#places.get(room)?.membership ?? 'out';
	}

	roomsThatAre(...memberships: readonly Membership[]): string[] {
		return [...this.#places].filter(([, { membership }]) => memberships.includes(membership)).map(([room]) => room);
	}

	get lastOffset(): StreamOffset {
		return this.#last ?? STREAM_START;
	}

	lastOf(sender: string): number {
		return this.#heard.get(sender)?.last ?? 0;
	}

	onJoining(room: string, isMoved: boolean): void {
		this.#places.set(room, { ...this.#placeOf(room), membership: 'joining', isMoved });
	}

	onJoined(room: string): void {
		this.#enter(room, this.#published.now());
	}

	onLeaving(room: string, isMoved: boolean): void {
		const place = this.#placeOf(room);
		if (place.stay) {
			place.stay.until = this.lastOffset;
		}
		this.#places.set(room, { ...place, membership: 'leaving', isMoved, stay: undefined });
	}

	onLeft(room: string): void {
		this.#places.set(room, { membership: 'out', isMoved: false, stay: undefined, leftAt: this.#published.now() });
	}

	/** Where the application says that a recovered client is. Gives what is wrong with that. */
	onRooms(actual: ReadonlySet<string>): string[] {
		const sentences: string[] = [];
		for (const room of new Set([...this.#places.keys(), ...actual])) {
			const { membership, isMoved } = this.#placeOf(room);
			const isThere = actual.has(room);
			if (membership === 'in' && !isThere) {
				sentences.push(`it came back without ${room}, and its join had been answered`);
			} else if (membership === 'out' && isThere) {
				sentences.push(`it came back in ${room}, which it had not joined or whose leave had been answered`);
			} else if (isThere && (membership === 'joining' || (membership === 'leaving' && !isMoved))) {
				this.onJoined(room);
			} else if (!isThere && (membership === 'leaving' || (membership === 'joining' && !isMoved))) {
				this.onLeft(room);
			}
		}
		return sentences;
	}

	/** Something carried an offset. Gives what is wrong with it. */
	onOffset(offset: StreamOffset): string[] {
		const before = this.#last;
		this.#last = offset;
		return before !== undefined && !isAfter(offset, before) ? [`offset ${offset} came after ${before}`] : [];
	}

	/** Gives what is wrong with it whatever follows. */
	onMessage(heard: Heard, at: number): string[] {
		const { sender, number, room, offset } = heard;
		const numbers = this.#heard.get(sender) ?? new Runs();
		this.#heard.set(sender, numbers);
		const sentences: string[] = [];
		if (numbers.has(number)) {
			sentences.push(`${sender} ${number} came again, and ${numbers.last} had been heard`);
		} else if (number < numbers.last) {
			this.#late.push({ room, sender, number, at });
		}
		numbers.add(number);
		this.#onPlace(this.#placeOf(room), heard, at);
		if (offset === undefined) {
			return sentences;
		}
		this.#beginStays(offset);
		return [...sentences, ...this.onOffset(offset)];
	}

	/** It follows a join that took effect, from the same sender. */
	onOwed({ sender, number }: Numbered, at: number): void {
		if (!this.#heard.get(sender)?.has(number)) {
			this.#holes.push({ sender, from: number, to: number, at, vouched: false });
		}
	}

	/** What is wrong, whatever follows. */
	breaches(): Flaw[] {
		return [
			...this.#late.filter(({ sender, number }) => this.#published.isOwed(sender, number)).map(describeLate),
			...this.#strays.flatMap((stray) => this.#describeStray(stray)),
			...this.#holes.filter(({ vouched }) => vouched).flatMap((hole) => this.#describeHole(hole)),
			...this.#unheard(this.#vouchedUpTo),
		];
	}

	/** What is missing as well if the client is not told any more. */
	debts(): Flaw[] {
		return [...this.#holes.filter(({ vouched }) => !vouched).flatMap((hole) => this.#describeHole(hole)), ...this.#unheard(this.#last)];
	}

	#placeOf(room: string): Place {
		return this.#places.get(room) ?? { membership: 'out', isMoved: false, stay: undefined, leftAt: this.#begunAt };
	}

	#enter(room: string, since: number | undefined): void {
		const stay: Stay = { room, since, from: since === undefined ? undefined : this.lastOffset, until: undefined, spans: new Map() };
		this.#stays.push(stay);
		this.#places.set(room, { ...this.#placeOf(room), membership: 'in', isMoved: false, stay });
	}

	/**
	 * By the first message to a room: what is for all may be older than the stay, when the connection breaks again before a client that was
	 * told has heard anything. It comes back with an offset of before, and is given what was for all since then.
	 */
	#beginStays(offset: StreamOffset): void {
		if (!this.#hasBegun) {
			this.#hasBegun = true;
			for (const stay of this.#stays) {
				stay.from ??= offset;
			}
		}
	}

	#onPlace({ membership, stay, leftAt }: Place, { room, sender, number }: Heard, at: number): void {
		if (membership === 'out') {
			this.#strays.push({ room, sender, number, leftAt, at });
		}
		const last = stay?.spans.get(sender);
		if (stay === undefined || (last !== undefined && number < last)) {
			return;
		}
		if (last !== undefined && number > last + 1) {
			this.#holes.push({ sender, from: last + 1, to: number - 1, at, vouched: false });
		}
		stay.spans.set(sender, number);
	}

	/** Of what was acknowledged: senders of whom nothing at all was heard show, and those of whom nothing more was. */
	#unheard(upTo: StreamOffset | undefined): Flaw[] {
		return upTo === undefined ? [] : this.#stays.flatMap((stay) => this.#unheardIn(stay, upTo));
	}

	#unheardIn(stay: Stay, upTo: StreamOffset): Flaw[] {
		const { room, from, until = upTo } = stay;
		const end = isAfter(until, upTo) ? upTo : until;
		const flaws: Flaw[] = [];
		for (const message of from === undefined ? [] : this.#published.between(room, from, end)) {
			const { sender, number, id } = message;
			if (isOwedIn(stay, message) && !this.#heard.get(sender)?.has(number)) {
				flaws.push({ sentence: `${sender} ${number} (${id}) is missing between ${from} and ${end}`, at: id });
			}
		}
		return flaws;
	}

	#describeHole(hole: Hole): Flaw[] {
		const how = hole.vouched ? 'though it was recovered' : 'and it was not told';
		for (let number = hole.from; number <= hole.to; number++) {
			if (this.#published.isOwed(hole.sender, number)) {
				return [{ sentence: `${hole.sender} ${number} is missing before ${hole.to + 1}, ${how}`, at: hole.at }];
			}
		}
		return [];
	}

	#describeStray({ room, sender, number, leftAt, at }: Untimely & { readonly leftAt: number }): Flaw[] {
		const begun = this.#published.begunOf(sender, number);
		return begun !== undefined && begun > leftAt
			? [{ sentence: `${sender} ${number} was begun after the client was known to be out of ${room}, and came`, at }]
			: [];
	}
}

function isOwedIn({ since }: Stay, { begun, isWritten }: Acknowledged): boolean {
	return since === undefined ? isWritten : begun > since;
}

function describeLate({ sender, number, at }: Untimely): Flaw {
	return { sentence: `${sender} ${number} came behind a later one`, at };
}
