/**
 * The account of one client: who was sent what, and who has it. Its life is cut into stretches: one begins at a connect that was not
 * recovered, which is how the client is told. Each sender numbers what it sends to a room, so that what is missing shows. Pure.
 */
import type { StreamOffset } from '../../../src/stream/offset.ts';
import { History } from './history.ts';
import type { Numbered, Published } from './published.ts';
import { type Flaw, type Heard, type Membership, Stretch } from './stretch.ts';

/** A promise that was not kept, and where in the history it shows. */
export interface Breach {
	readonly sentence: string;
	readonly at: number;
}

export class Account {
	readonly name: string;
	/** The rooms that it is in from each connect that is not recovered. */
	readonly declared: readonly string[];
	readonly history = new History();
	readonly counts = { heard: 0, recovered: 0, refused: 0, joined: 0, left: 0 };
	readonly #published: Published;
	readonly #stretches: Stretch[] = [];
	readonly #breaches: Breach[] = [];

	constructor(name: string, declared: readonly string[], published: Published) {
		this.name = name;
		this.declared = declared;
		this.#published = published;
	}

	onConnect(recovered: boolean): void {
		const at = this.history.add(recovered ? 'connected, recovered' : 'connected, not recovered');
		if (recovered && this.#stretch) {
			this.counts.recovered++;
			this.#stretch.vouch();
			return;
		}
		if (recovered) {
			this.onBreach('it was recovered though it had never been there', at);
		}
		this.counts.refused += this.#stretch ? 1 : 0;
		this.#stretches.push(new Stretch(this.#published, this.declared));
	}

	onMessage(heard: Heard): void {
		const { sender, number, offset } = heard;
		const at = this.history.hear(`${sender}: ${number}`, offset);
		this.counts.heard++;
		if (offset !== undefined) {
			this.#published.hear(heard, offset);
		}
		this.#judge(at, (stretch) => stretch.onMessage(heard, at));
	}

	/** Another event carried it. */
	onOffset(offset: StreamOffset): void {
		const at = this.history.hear('something else', offset);
		this.#judge(at, (stretch) => stretch.onOffset(offset));
	}

	/** It is about to ask; `isMoved`: another client is about to ask for it. */
	onJoining(rooms: readonly string[], isMoved = false): void {
		this.history.add(`${isMoved ? 'is moved' : 'asks'} into ${rooms.join(', ')}`);
		for (const room of rooms) {
			this.#stretch?.onJoining(room, isMoved);
		}
	}

	onJoined(rooms: readonly string[]): void {
		this.history.add(`is in ${rooms.join(', ')}`);
		this.counts.joined += rooms.length;
		for (const room of rooms) {
			this.#stretch?.onJoined(room);
		}
	}

	onLeaving(rooms: readonly string[], isMoved = false): void {
		this.history.add(`${isMoved ? 'is moved' : 'asks'} out of ${rooms.join(', ')}`);
		for (const room of rooms) {
			this.#stretch?.onLeaving(room, isMoved);
		}
	}

	onLeft(rooms: readonly string[]): void {
		this.history.add(`is out of ${rooms.join(', ')}`);
		this.counts.left += rooms.length;
		for (const room of rooms) {
			this.#stretch?.onLeft(room);
		}
	}

	/** What the application says after a recovery. */
	onRooms(rooms: readonly string[]): void {
		const at = this.history.add(`came back in ${rooms.join(', ')}`);
		this.#judge(at, (stretch) => stretch.onRooms(new Set(rooms)));
	}

	/** What the client must have heard by now. */
	onOwed(message: Numbered): void {
		this.#stretch?.onOwed(message, this.history.length - 1);
	}

	onBreach(sentence: string, at = this.history.length - 1): void {
		this.#breaches.push({ sentence, at });
		this.history.freeze();
	}

	membershipOf(room: string): Membership {
		return this.#stretch?.membershipOf(room) ?? 'out';
	}

	roomsThatAre(...memberships: readonly Membership[]): readonly string[] {
		return this.#stretch?.roomsThatAre(...memberships) ?? [];
	}

	/** The last number of that sender which was heard since the client was last told. */
	lastOf(sender: string): number {
		return this.#stretch?.lastOf(sender) ?? 0;
	}

	get lastOffset(): StreamOffset | undefined {
		return this.#stretch?.lastOffset;
	}

	/** Something is missing, and the client has not been told yet: it must be, soon. */
	isOwing(): boolean {
		return (this.#stretch?.debts().length ?? 0) > 0;
	}

	/** What is wrong so far, whatever follows. */
	breaches(): Breach[] {
		return [...this.#breaches, ...this.#stretches.flatMap((stretch) => stretch.breaches()).map((flaw) => this.#locate(flaw))];
	}

	/** What is wrong when nothing follows any more. */
	finalBreaches(): Breach[] {
		return [...this.breaches(), ...(this.#stretch?.debts() ?? []).map((flaw) => this.#locate(flaw))];
	}

	get #stretch(): Stretch | undefined {
		return this.#stretches.at(-1);
	}

	#locate({ sentence, at }: Flaw): Breach {
		return { sentence, at: typeof at === 'number' ? at : this.history.positionOf(at) };
	}

	#judge(at: number, look: (stretch: Stretch) => readonly string[]): void {
		const sentences = this.#stretch ? look(this.#stretch) : ['something came before the first connect'];
		for (const sentence of sentences) {
			this.onBreach(sentence, at);
		}
	}
}
