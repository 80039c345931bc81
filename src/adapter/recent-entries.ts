/**
 * The newest entries of the stream, without a hole, indexed by room: what returning clients missed is found without reading it
 * again for each of them.
 */
import { decodeEntry, type EntryMessage, type StreamEntry } from '../redis/stream-entry.ts';
import { compareOffsets, type StreamOffset } from '../redis/stream-offset.ts';
import type { Room } from './session-record.ts';

export interface RecentEntry extends StreamEntry {
	/** Decoded when it is first needed; undefined while it isn't, and for entries that make no sense. */
	message?: EntryMessage | undefined;
}

/** What an entry costs beside its data, roughly. */
const ENTRY_OVERHEAD = 400;
/** Room is made for this share at a time, since the index is walked for it. */
const EVICTED_SHARE = 0.1;

export class RecentEntries {
	readonly #maxBytes: number;
	#entries: RecentEntry[] = [];
	/** Position of the first entry; positions only ever grow. */
	#base = 0;
	#index = new Map<string, number[]>();
	#bytes = 0;
	#from: StreamOffset;

	constructor(maxBytes: number, from: StreamOffset) {
		this.#maxBytes = maxBytes;
		this.#from = from;
	}

	/** Every entry after this one is here. */
	get from(): StreamOffset {
		return this.#from;
	}

	/** Forgets everything; what follows `cursor` will be appended. */
	reset(cursor: StreamOffset): void {
		this.#entries = [];
		this.#index.clear();
		this.#bytes = 0;
		this.#from = cursor;
	}

	append(entry: StreamEntry): void {
		this.#add(this.#base + this.#entries.length, entry);
		this.#entries.push(entry);
		this.#bytes += sizeOf(entry);
		if (this.#bytes > this.#maxBytes) {
			this.#evict();
		}
	}

	/** Puts older entries in front: all those after `from` and up to the present `from`. False when there is no room for them. */
	prepend(from: StreamOffset, entries: readonly StreamEntry[]): boolean {
		const bytes = entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
		if (this.#bytes + bytes > this.#maxBytes) {
			return false;
		}
		this.#entries = [...entries, ...this.#entries];
		this.#bytes += bytes;
		this.#from = from;
		this.#reindex();
		return true;
	}

	/** Entries of a namespace after `after` that may concern one of `rooms`, oldest first: also those whose rooms are not told. */
	select(nsp: string, rooms: Iterable<Room>, after: StreamOffset): RecentEntry[] {
		const start = this.#positionAfter(after);
		const positions: number[] = [];
		collect(this.#index.get(keyOf(nsp, undefined)), start, positions);
		for (const room of rooms) {
			collect(this.#index.get(keyOf(nsp, room)), start, positions);
		}
		positions.sort((a, b) => a - b);
		const found: RecentEntry[] = [];
		let last = -1;
		for (const position of positions) {
			const entry = this.#entries[position - this.#base];
			if (entry && position !== last) {
				found.push(entry);
			}
			last = position;
		}
		return found;
	}

	#add(position: number, entry: StreamEntry): void {
		if (entry.rooms === undefined) {
			this.#addTo(keyOf(entry.nsp, undefined), position);
			return;
		}
		for (const room of entry.rooms) {
			this.#addTo(keyOf(entry.nsp, room), position);
		}
	}

	#addTo(key: string, position: number): void {
		const list = this.#index.get(key);
		if (list) {
			list.push(position);
		} else {
			this.#index.set(key, [position]);
		}
	}

	#evict(): void {
		let count = 0;
		const enough = this.#maxBytes * (1 - EVICTED_SHARE);
		for (const entry of this.#entries) {
			if (this.#bytes <= enough) {
				break;
			}
			this.#bytes -= sizeOf(entry);
			this.#from = entry.id;
			count++;
		}
		this.#entries.splice(0, count);
		this.#base += count;
		for (const [key, list] of this.#index) {
			const kept = list.filter((position) => position >= this.#base);
			if (kept.length === 0) {
				this.#index.delete(key);
			} else if (kept.length < list.length) {
				this.#index.set(key, kept);
			}
		}
	}

	#reindex(): void {
		this.#index.clear();
		for (const [index, entry] of this.#entries.entries()) {
			this.#add(this.#base + index, entry);
		}
	}

	/** Position of the first entry after `after`, by halving. */
	#positionAfter(after: StreamOffset): number {
		let low = 0;
		let high = this.#entries.length;
		while (low < high) {
			const middle = (low + high) >>> 1;
			const entry = this.#entries[middle];
			if (entry && compareOffsets(entry.id, after) <= 0) {
				low = middle + 1;
			} else {
				high = middle;
			}
		}
		return this.#base + low;
	}
}

/** Decodes once, however many clients missed it. */
export function messageOfEntry(entry: RecentEntry): EntryMessage | undefined {
	if (entry.message === undefined) {
		const decoded = decodeEntry(entry);
		entry.message = decoded.kind === 'malformed' ? { kind: 'other' } : decoded;
	}
	return entry.message;
}

function collect(list: readonly number[] | undefined, start: number, into: number[]): void {
	if (list === undefined) {
		return;
	}
	let low = 0;
	let high = list.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((list[middle] ?? 0) < start) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	for (let i = low; i < list.length; i++) {
		into.push(list[i] ?? 0);
	}
}

function keyOf(nsp: string, room: Room | undefined): string {
	return room === undefined ? nsp : `${nsp}\0${room}`;
}

function sizeOf(entry: StreamEntry): number {
	return entry.data.length + ENTRY_OVERHEAD;
}
