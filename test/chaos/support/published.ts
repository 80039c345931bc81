/**
 * What was sent to which room, and what its senders may count on. Its clock counts what happens in the test: a message that was begun
 * after a join had been answered is owed to who joined. Pure.
 */
import { compareOffsets, isAfter, type StreamOffset } from '../../../src/stream/offset.ts';

export interface Numbered {
	readonly room: string;
	/** Numbers what it sends to this room, and sends to no other. */
	readonly sender: string;
	readonly number: number;
}

/** A message that is in the log, and that its sender knows to have been taken. */
export interface Acknowledged extends Numbered {
	readonly id: StreamOffset;
	readonly begun: number;
	/** By an emitter outside of the fleet, which waits for Redis. */
	readonly isWritten: boolean;
}

interface Entry extends Numbered {
	/** Undefined: not known, as of what a client said and has no answer for. */
	begun: number | undefined;
	id: StreamOffset | undefined;
	isAcknowledged: boolean;
	/** It is in the log twice, as after a failover: where it is for whom is not known. */
	isDoubtful: boolean;
	readonly isWritten: boolean;
}

interface Log {
	readonly entries: (Entry & Acknowledged)[];
	isSorted: boolean;
}

export class Published {
	/** Acknowledged by Redis to the writers. */
	written = 0;
	#clock = 0;
	readonly #writers = new Set<string>();
	readonly #entries = new Map<string, Map<number, Entry>>();
	readonly #logs = new Map<string, Log>();

	/** Later than everything before. */
	now(): number {
		return ++this.#clock;
	}

	/** A writer is about to send it, and counts on it only once it is acknowledged. */
	begin(message: Numbered): void {
		this.#writers.add(message.sender);
		this.#set(message, { begun: this.now(), isWritten: true });
	}

	/** Redis has taken it. */
	acknowledge({ sender, number }: Numbered, id: StreamOffset): void {
		const entry = this.#find(sender, number);
		if (entry) {
			this.written++;
			entry.isAcknowledged = true;
			entry.id = id;
			this.#log(entry);
		}
	}

	/** A client has been told that a worker took it, under this number, some time after `begun`. */
	say(message: Numbered, begun: number): void {
		const entry = this.#learn(message);
		entry.begun = begun;
		entry.isAcknowledged = true;
		this.#log(entry);
	}

	/** Someone heard it at this offset. */
	hear(message: Numbered, id: StreamOffset): void {
		if (this.#writers.has(message.sender)) {
			return;
		}
		const entry = this.#learn(message);
		if (entry.id === undefined) {
			entry.id = id;
			this.#log(entry);
		} else if (entry.id !== id) {
			entry.isDoubtful = true;
		}
	}

	/** Whether it must not be missing between two others: what writers were not told of may be; what workers number may not. */
	isOwed(sender: string, number: number): boolean {
		return !this.#writers.has(sender) || (this.#find(sender, number)?.isAcknowledged ?? false);
	}

	begunOf(sender: string, number: number): number | undefined {
		return this.#find(sender, number)?.begun;
	}

	/** What was acknowledged and lies between two offsets: after the first, and up to the second. */
	*between(room: string, after: StreamOffset, upTo: StreamOffset): Iterable<Acknowledged> {
		const entries = this.#sorted(room);
		for (let i = countUpTo(entries, after); i < entries.length; i++) {
			const entry = entries[i];
			if (entry === undefined || isAfter(entry.id, upTo)) {
				return;
			}
			if (!entry.isDoubtful) {
				yield entry;
			}
		}
	}

	#sorted(room: string): Log['entries'] {
		const log = this.#logs.get(room);
		if (log && !log.isSorted) {
			log.entries.sort((a, b) => compareOffsets(a.id, b.id));
			log.isSorted = true;
		}
		return log?.entries ?? [];
	}

	#find(sender: string, number: number): Entry | undefined {
		return this.#entries.get(sender)?.get(number);
	}

	#learn(message: Numbered): Entry {
		return this.#find(message.sender, message.number) ?? this.#set(message, { begun: undefined, isWritten: false });
	}

	#set({ room, sender, number }: Numbered, how: Pick<Entry, 'begun' | 'isWritten'>): Entry {
		const entry = { room, sender, number, id: undefined, isAcknowledged: false, isDoubtful: false, ...how };
		const ofSender = this.#entries.get(sender);
		if (ofSender) {
			ofSender.set(number, entry);
		} else {
			this.#entries.set(sender, new Map([[number, entry]]));
		}
		return entry;
	}

	/** Once it is acknowledged and its place is known, whichever comes last. */
	#log(entry: Entry): void {
		if (!isKnown(entry)) {
			return;
		}
		const log = this.#logs.get(entry.room) ?? { entries: [], isSorted: true };
		this.#logs.set(entry.room, log);
		const last = log.entries.at(-1);
		log.isSorted &&= last === undefined || isAfter(entry.id, last.id);
		log.entries.push(entry);
	}
}

function isKnown(entry: Entry): entry is Entry & Acknowledged {
	return entry.isAcknowledged && entry.id !== undefined && entry.begun !== undefined;
}

/** By halving. */
function countUpTo(messages: readonly Acknowledged[], offset: StreamOffset): number {
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
