/**
 * The account of one listener: who was sent what, and who has it. Its life is cut into stretches: one begins at a connect that was not
 * recovered, which is how the client is told. Each sender numbers its messages, so that what is missing shows. Pure.
 */
import { compareOffsets, isAfter, type StreamOffset } from '../../../src/stream/offset.ts';
import { History } from './history.ts';

export interface Heard {
	readonly sender: string;
	readonly number: number;
	/** What the message carried as its offset; undefined when it came without the stream. */
	readonly offset: StreamOffset | undefined;
}

export interface Acknowledged {
	readonly id: StreamOffset;
	readonly room: string;
	readonly sender: string;
	readonly number: number;
}

/** What senders may count on. */
export class Published {
	readonly messages: Acknowledged[] = [];
	readonly #numbers = new Map<string, Set<number>>();

	/** Who is named here before it sends counts on what is acknowledged only; every other sender on all that it numbers. */
	addWriter(sender: string): void {
		this.#numbers.set(sender, new Set());
	}

	add(message: Acknowledged): void {
		this.messages.push(message);
		this.#numbers.get(message.sender)?.add(message.number);
	}

	isOwed(sender: string, number: number): boolean {
		return this.#numbers.get(sender)?.has(number) ?? true;
	}
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

interface Late extends Heard {
	readonly at: number;
}

interface Stretch {
	readonly spans: Map<string, { readonly first: number; last: number }>;
	readonly holes: Hole[];
	/** Came behind a later one of the same sender; a breach if it was owed. */
	readonly late: Late[];
	first: StreamOffset | undefined;
	last: StreamOffset | undefined;
	/** Where the client was when it was last recovered. */
	vouchedUpTo: StreamOffset | undefined;
	/** The client was told that something is missing after it. */
	isTold: boolean;
}

/** A promise that was not kept, and where in the history it shows. */
export interface Breach {
	readonly sentence: string;
	readonly at: number;
}

export class Account {
	readonly name: string;
	readonly rooms: readonly string[];
	readonly history = new History();
	readonly counts = { heard: 0, recovered: 0, refused: 0 };
	readonly #stretches: Stretch[] = [];
	readonly #breaches: Breach[] = [];

	constructor(name: string, rooms: readonly string[]) {
		this.name = name;
		this.rooms = rooms;
	}

	onConnect(recovered: boolean): void {
		const at = this.history.add(recovered ? 'connected, recovered' : 'connected, not recovered');
		const stretch = this.#stretches.at(-1);
		if (recovered && stretch) {
			this.counts.recovered++;
			stretch.vouchedUpTo = stretch.last;
			for (const hole of stretch.holes) {
				hole.vouched = true;
			}
			return;
		}
		if (recovered) {
			this.#onBreach('it was recovered though it had never been there', at);
		}
		if (stretch) {
			this.counts.refused++;
			stretch.isTold = true;
		}
		this.#stretches.push({
			spans: new Map(),
			holes: [],
			late: [],
			first: undefined,
			last: undefined,
			vouchedUpTo: undefined,
			isTold: false,
		});
	}

	onMessage(heard: Heard): void {
		const { sender, number, offset } = heard;
		const at = this.history.add(`${sender}: ${number} at ${offset ?? 'no offset'}`);
		this.counts.heard++;
		const stretch = this.#stretches.at(-1);
		if (stretch === undefined) {
			this.#onBreach(`${sender} ${number} came before the first connect`, at);
			return;
		}
		const span = stretch.spans.get(sender);
		if (span === undefined) {
			stretch.spans.set(sender, { first: number, last: number });
		} else if (number > span.last) {
			if (number > span.last + 1) {
				stretch.holes.push({ sender, from: span.last + 1, to: number - 1, at, vouched: false });
			}
			span.last = number;
		} else if (stretch.holes.some((hole) => hole.sender === sender && hole.from <= number && number <= hole.to)) {
			stretch.late.push({ ...heard, at });
		} else {
			this.#onBreach(`${sender} ${number} came again, or behind ${span.last}`, at);
		}
		if (offset !== undefined) {
			if (stretch.last !== undefined && !isAfter(offset, stretch.last)) {
				this.#onBreach(`offset ${offset} came after ${stretch.last}`, at);
			}
			stretch.first ??= offset;
			stretch.last = offset;
		}
	}

	#onBreach(sentence: string, at: number): void {
		this.#breaches.push({ sentence, at });
		this.history.freeze();
	}

	/** The last number of that sender which was heard since the client was last told. */
	lastOf(sender: string): number {
		return this.#stretches.at(-1)?.spans.get(sender)?.last ?? 0;
	}

	/** Something is missing, and the client has not been told yet: it must be, soon. */
	isOwing(published: Published): boolean {
		return this.#stretches.at(-1)?.holes.some((hole) => firstOwed(hole, published) !== undefined) ?? false;
	}

	/** What is wrong so far, whatever follows. */
	breaches(published: Published): Breach[] {
		const holes = this.#stretches.flatMap((stretch) => [
			...stretch.late.filter(({ sender, number }) => published.isOwed(sender, number)).map(describeLate),
			...stretch.holes.filter(({ vouched }) => vouched).flatMap((hole) => describeHole(hole, published)),
		]);
		return [...this.#breaches, ...holes];
	}

	/** What is wrong when nothing follows any more. */
	finalBreaches(published: Published): Breach[] {
		const at = this.history.length - 1;
		const inRooms = published.messages.filter(({ room }) => this.rooms.includes(room)).sort((a, b) => compareOffsets(a.id, b.id));
		return [
			...this.breaches(published),
			...(this.#stretches.at(-1)?.holes ?? []).flatMap((hole) => describeHole(hole, published)),
			...this.#stretches.flatMap((stretch) => findUnheard(stretch, inRooms)).map((sentence) => ({ sentence, at })),
		];
	}
}

function firstOwed({ sender, from, to }: Hole, published: Published): number | undefined {
	for (let number = from; number <= to; number++) {
		if (published.isOwed(sender, number)) {
			return number;
		}
	}
	return undefined;
}

function describeHole(hole: Hole, published: Published): Breach[] {
	const missing = firstOwed(hole, published);
	const how = hole.vouched ? 'though it was recovered' : 'and it was not told';
	return missing === undefined ? [] : [{ sentence: `${hole.sender} ${missing} is missing before ${hole.to + 1}, ${how}`, at: hole.at }];
}

function describeLate({ sender, number, at }: Late): Breach {
	return { sentence: `${sender} ${number} came behind a later one`, at };
}

/** Senders of whom nothing at all was heard, or no more: every acknowledged message in the part that was vouched for must be there. */
function findUnheard(stretch: Stretch, inRooms: readonly Acknowledged[]): string[] {
	const { first, spans } = stretch;
	const last = stretch.isTold ? stretch.vouchedUpTo : stretch.last;
	if (first === undefined || last === undefined) {
		return [];
	}
	const sentences: string[] = [];
	for (let i = indexAfter(inRooms, first); i < inRooms.length; i++) {
		const message = inRooms[i];
		if (message === undefined || !isAfter(last, message.id)) {
			break;
		}
		const span = spans.get(message.sender);
		if (span === undefined || message.number < span.first || message.number > span.last) {
			sentences.push(`${message.sender} ${message.number} (${message.id}) is missing between ${first} and ${last}`);
		}
	}
	return sentences;
}

/** By halving. */
function indexAfter(messages: readonly Acknowledged[], offset: StreamOffset): number {
	let low = 0;
	let high = messages.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		const message = messages[middle];
		if (message && !isAfter(message.id, offset)) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}
