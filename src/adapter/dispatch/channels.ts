/** Which rooms and namespaces this worker must be pushed the messages of, and since when. Knows no Redis. */
import { isAfter, type StreamOffset } from '../../stream/offset.ts';
import { channelOf } from '../../stream/route.ts';
import type { Position } from '../position.ts';

export interface Channel {
	readonly name: string;
	readonly nsp: string;
	/** Undefined: the namespace as a whole. */
	readonly room: string | undefined;
	/** Messages after this one are owed to who is there. */
	readonly joinedAt: StreamOffset;
}

interface Entry extends Channel {
	/** Members, and clients that are coming back. */
	holders: number;
	isLive: boolean;
	/** When the last holder left; undefined while there are some. */
	idleAt: number | undefined;
}

/** A room that is left is often joined again: a client that reloads its page. */
const LINGER_MS = 10_000;

export class Channels {
	readonly #stream: string;
	readonly #position: Position;
	readonly #all = new Map<string, Entry>();
	readonly #new = new Set<Entry>();
	readonly #idle = new Set<Entry>();
	/** The least `joinedAt` of those that are new. Stale: one of them is new no longer, and it may have been that one's. */
	#limit: StreamOffset | undefined;
	#isLimitStale = false;

	constructor(stream: string, position: Position) {
		this.#stream = stream;
		this.#position = position;
	}

	/** One more needs it. */
	acquire(nsp: string, room?: string | number): void {
		const name = this.#nameOf(nsp, room);
		const known = this.#all.get(name);
		if (known) {
			known.holders++;
			known.idleAt = undefined;
			this.#idle.delete(known);
			return;
		}
		const { joinedAt } = this.#position;
		const entry: Entry = { name, nsp, room: textOf(room), joinedAt, holders: 1, isLive: false, idleAt: undefined };
		this.#all.set(name, entry);
		this.#new.add(entry);
		this.#lowerLimit(joinedAt);
	}

	release(nsp: string, room?: string | number): void {
		const known = this.#all.get(this.#nameOf(nsp, room));
		if (known === undefined || --known.holders > 0) {
			return;
		}
		if (known.isLive) {
			known.idleAt = performance.now();
			this.#idle.add(known);
		}
	}

	/** Nothing is subscribed to: one that nobody needs any more is forgotten at once. */
	forgetIdle(nsp: string, room?: string | number): void {
		const known = this.#all.get(this.#nameOf(nsp, room));
		if (known && known.holders <= 0) {
			this.#all.delete(known.name);
			this.#deleteNew(known);
			this.#idle.delete(known);
		}
	}

	get hasNew(): boolean {
		return this.#new.size > 0;
	}

	/** Entries after this one may be for a channel that is not live yet; undefined: all are live. Asked for with each join: kept, not looked for. */
	get limit(): StreamOffset | undefined {
		if (this.#isLimitStale) {
			this.#isLimitStale = false;
			this.#limit = undefined;
			for (const { joinedAt } of this.#new) {
				this.#lowerLimit(joinedAt);
			}
		}
		return this.#limit;
	}

	/** Those that are not live; one that nobody needs any more is forgotten. */
	listNew(): readonly Channel[] {
		for (const entry of this.#new) {
			if (entry.holders <= 0) {
				this.#deleteNew(entry);
				this.#all.delete(entry.name);
			}
		}
		return [...this.#new];
	}

	/** All that must be subscribed to anew; those that nobody needs any more are forgotten. */
	listAll(): readonly Channel[] {
		for (const entry of this.#idle) {
			this.#all.delete(entry.name);
		}
		this.#idle.clear();
		this.listNew();
		return [...this.#all.values()];
	}

	/** This worker is pushed their messages from now on, and has those since they were joined. */
	setLive(channels: readonly Channel[]): void {
		for (const { name } of channels) {
			const entry = this.#all.get(name);
			if (entry) {
				entry.isLive = true;
				this.#deleteNew(entry);
				if (entry.holders <= 0) {
					entry.idleAt = performance.now();
					this.#idle.add(entry);
				}
			}
		}
	}

	/** Names of those that nobody has needed for a while; they are forgotten. */
	takeIdle(): readonly string[] {
		const threshold = performance.now() - LINGER_MS;
		const names: string[] = [];
		// In the order in which they became idle.
		for (const entry of this.#idle) {
			if (entry.idleAt === undefined || entry.idleAt > threshold) {
				break;
			}
			this.#idle.delete(entry);
			this.#all.delete(entry.name);
			names.push(entry.name);
		}
		return names;
	}

	#lowerLimit(joinedAt: StreamOffset): void {
		if (this.#limit === undefined || isAfter(this.#limit, joinedAt)) {
			this.#limit = joinedAt;
		}
	}

	#deleteNew(entry: Entry): void {
		this.#isLimitStale = this.#new.delete(entry) || this.#isLimitStale;
	}

	#nameOf(nsp: string, room: string | number | undefined): string {
		return channelOf(this.#stream, nsp, textOf(room));
	}
}

/** Socket.IO tells a number from its text; their channel is one. */
function textOf(room: string | number | undefined): string | undefined {
	return room === undefined ? undefined : String(room);
}
