/**
 * A client that is coming back, from before what it missed is read until it is connected, or not: it counts as a member of its rooms, and
 * what comes for them meanwhile is added to what it missed.
 */
import type { StreamEntry } from '../../stream/entry.ts';
import { isAfter, type StreamOffset } from '../../stream/offset.ts';
import type { Delivery } from '../delivery.ts';
import type { LocalNamespaces } from '../dispatch/namespaces.ts';
import type { Position } from '../position.ts';
import type { Room, SessionRecord } from '../sessions/record.ts';
import { Replay } from './replay.ts';

export interface AbsenceDeps {
	readonly delivery: Delivery;
	readonly namespaces: LocalNamespaces;
	readonly position: Position;
	/** More than that is not sent at once. */
	readonly maxBytes: number;
	/** Resolves when everything up to `offset` that concerns this worker has been dispatched; false when that takes too long. */
	comesTo(offset: StreamOffset): Promise<boolean>;
}

/** Rooms joined while away may lead to messages that join others. */
const MAX_ROUNDS = 16;

export class Absence {
	readonly #deps: AbsenceDeps;
	readonly #record: SessionRecord;
	readonly #start: StreamOffset;
	readonly #rooms = new Set<Room>();
	readonly #unlisten: () => void;
	/** What has come since; undefined once it goes to the replay at once. */
	#waiting: StreamEntry[] | undefined = [];
	#replay: Replay;
	#isOver = false;

	/** `start`: the client has everything up to there. */
	constructor(deps: AbsenceDeps, record: SessionRecord, start: StreamOffset) {
		this.#deps = deps;
		this.#record = record;
		this.#start = start;
		this.#replay = new Replay(record, start, deps.maxBytes);
		this.#unlisten = deps.namespaces.listen(record.nsp, (entry) => this.#onEntry(entry));
	}

	get replay(): Replay {
		return this.#replay;
	}

	/**
	 * Reads what was missed up to now; from then on `replay` is up to date. Joins that were published meanwhile add rooms whose messages were
	 * not read: again, until none is new. Gives why that is not possible. Rejects when Redis fails.
	 */
	async read(): Promise<'trimmed' | 'behind' | 'too_much' | undefined> {
		const { delivery, position, comesTo } = this.#deps;
		for (let round = 0; round < MAX_ROUNDS && !this.#isOver; round++) {
			const rooms = this.#replay.rooms;
			await this.#hold(rooms);
			// What follows this comes for these rooms, if it concerns them. What does not is on the log by now.
			const upTo = position.known;
			const found = isAfter(upTo, this.#start) ? await delivery.readMissed(this.#record.nsp, rooms, this.#start, upTo) : [];
			if (found === 'trimmed') {
				return 'trimmed';
			}
			// Nothing of it is still to be dispatched: it would be sent a second time.
			if (!(await comesTo(upTo))) {
				return 'behind';
			}
			this.#replay = this.#replayOf([...found, ...(this.#waiting ?? []).filter(({ id }) => isAfter(id, upTo))]);
			const { replay } = this;
			if (replay.state !== 'ok' || replay.rooms.length === rooms.length) {
				this.#waiting = undefined;
				return undefined;
			}
		}
		return 'too_much';
	}

	#replayOf(entries: readonly StreamEntry[]): Replay {
		const replay = new Replay(this.#record, this.#start, this.#deps.maxBytes);
		for (const entry of entries) {
			replay.feed(entry);
		}
		return replay;
	}

	/** It is connected, or not: nobody is kept a place for any more. */
	end(): void {
		if (this.#isOver) {
			return;
		}
		this.#isOver = true;
		this.#unlisten();
		for (const room of this.#rooms) {
			this.#deps.delivery.leave(this.#record.nsp, room);
		}
	}

	/** Resolves when messages for those rooms come. */
	async #hold(rooms: readonly Room[]): Promise<void> {
		const joins: Promise<void>[] = [];
		for (const room of rooms) {
			if (!this.#rooms.has(room)) {
				this.#rooms.add(room);
				const joined = this.#deps.delivery.join(this.#record.nsp, room);
				if (joined) {
					joins.push(joined);
				}
			}
		}
		await Promise.all(joins);
	}

	#onEntry(entry: StreamEntry): void {
		if (this.#waiting) {
			this.#waiting.push(entry);
			return;
		}
		this.#replay.feed(entry);
		// A join that came just now: what follows in that room is for it.
		void this.#hold(this.#replay.rooms);
	}
}
