/**
 * Which namespaces and rooms this worker has, told to the sibling that reads the stream, so that it need not hand on at once what
 * concerns nobody here. It is a hint, never a promise: each state has a token, what the reader passed over says under which token, and
 * unless that is the present one this worker looks for itself. A room that was joined meanwhile therefore misses nothing.
 */
import { randomBytes } from 'node:crypto';
import type { StreamEntry } from '../../stream/entry.ts';
import type { Room } from '../sessions/record.ts';

/** One namespace with all its rooms, or one room that came or went. */
export type InterestChange =
	| { readonly nsp: string; readonly rooms: readonly Room[] }
	| { readonly nsp: string; readonly room: Room; readonly isThere: boolean };

export interface InterestMessage {
	/** The state that the changes are to be applied to; undefined: they are all there is. */
	readonly base: string | undefined;
	readonly token: string;
	readonly changes: readonly InterestChange[];
}

export interface InterestDeps {
	rooms(): Iterable<readonly [nsp: string, rooms: Iterable<Room>]>;
	/** False when that sibling can't be told. */
	send(slot: number, message: InterestMessage): boolean;
}

/** What was told is on its way, or in line behind other work of the reader: it is not lost before this many frames came without it. */
const REPEAT_AFTER_FRAMES = 50;

/** The side of the worker that has the rooms. */
export class Interest {
	readonly #deps: InterestDeps;
	/** Another process in the same slot must not be taken for this one. */
	readonly #process = randomBytes(6).toString('base64url');
	#version = 0;
	#token = `${this.#process}.0`;
	/** What the siblings in `#told` know, once all that was sent has arrived. */
	#toldToken = this.#token;
	#changes: InterestChange[] = [];
	#flushQueued = false;
	/** Slots that were told everything -> frames that have come from there since without a sign of it. */
	readonly #told = new Map<number, number>();

	constructor(deps: InterestDeps) {
		this.#deps = deps;
	}

	/** Names the present state. It changes when there is more to be interested in. */
	get token(): string {
		return this.#token;
	}

	onRoom(nsp: string, room: Room, isThere: boolean): void {
		if (isThere) {
			this.#advance();
		}
		if (this.#told.size > 0) {
			this.#changes.push({ nsp, room, isThere });
			this.#queueFlush();
		}
	}

	/** A namespace came or went, which is rare: the reader is told everything anew. */
	onNamespace(): void {
		this.#advance();
		this.#changes = [];
		this.#told.clear();
	}

	/** That sibling reads the stream for us, and knows of an interest of ours or of none. */
	onReader(slot: number, known: string | undefined): void {
		const frames = this.#told.get(slot);
		if (frames === undefined || (known === undefined && frames >= REPEAT_AFTER_FRAMES)) {
			this.#tellAll(slot);
		} else {
			this.#told.set(slot, known === undefined ? frames + 1 : 0);
		}
	}

	onPeerDown(slot: number): void {
		this.#told.delete(slot);
	}

	#advance(): void {
		this.#version++;
		this.#token = `${this.#process}.${this.#version}`;
	}

	#tellAll(slot: number): void {
		// Siblings that know already are brought to the same state first.
		this.#flush();
		const changes = [...this.#deps.rooms()].map(([nsp, rooms]) => ({ nsp, rooms: [...rooms] }));
		if (this.#deps.send(slot, { base: undefined, token: this.#token, changes })) {
			this.#told.set(slot, 0);
		}
	}

	/** Clients that come in one turn of the event loop are told of together. */
	#queueFlush(): void {
		if (!this.#flushQueued) {
			this.#flushQueued = true;
			setImmediate(() => this.#flush());
		}
	}

	#flush(): void {
		this.#flushQueued = false;
		if (this.#changes.length > 0) {
			const message = { base: this.#toldToken, token: this.#token, changes: this.#changes };
			this.#changes = [];
			for (const slot of [...this.#told.keys()]) {
				if (!this.#deps.send(slot, message)) {
					this.#told.delete(slot);
				}
			}
		}
		this.#toldToken = this.#token;
	}
}

/** What the reader knows of one sibling. */
export class KnownInterest {
	#token: string | undefined;
	readonly #rooms = new Map<string, Set<Room>>();

	/** Undefined: nothing is known. */
	get token(): string | undefined {
		return this.#token;
	}

	/** A change of a state that is not the known one leaves nothing known: one before it was lost on the way. */
	apply({ base, token, changes }: InterestMessage): void {
		if (base === undefined || base !== this.#token) {
			this.#rooms.clear();
		}
		this.#token = base === undefined || base === this.#token ? token : undefined;
		if (this.#token === undefined) {
			return;
		}
		for (const change of changes) {
			this.#applyOne(change);
		}
	}

	/** Whether a worker with that interest must see the entry. */
	includes(entry: StreamEntry): boolean {
		const rooms = this.#rooms.get(entry.nsp);
		return rooms !== undefined && (entry.rooms === undefined || entry.rooms.some((room) => rooms.has(room)));
	}

	#applyOne(change: InterestChange): void {
		if ('rooms' in change) {
			this.#rooms.set(change.nsp, new Set(change.rooms));
			return;
		}
		const rooms = this.#rooms.get(change.nsp);
		if (change.isThere) {
			rooms?.add(change.room);
		} else {
			rooms?.delete(change.room);
		}
	}
}
