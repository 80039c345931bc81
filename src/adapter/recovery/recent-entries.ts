/**
 * The newest entries of the stream, without a hole. While clients come back they are indexed by room, so that what each of them missed is
 * found without reading the stream again; while none do they are only kept, as they came.
 */
import { setImmediate } from 'node:timers/promises';
import { decodeEntry, type EntryMessage, type StreamEntry } from '../../stream/entry.ts';
import { compareOffsets, isAfter, type StreamOffset } from '../../stream/offset.ts';
import { type StreamBatch, sizeOfEntry } from '../follow/stream-batch.ts';
import type { Room } from '../sessions/record.ts';

export interface RecentEntry extends StreamEntry {
	/** Decoded when it is first needed; undefined while it isn't, and for entries that make no sense. */
	message?: EntryMessage | undefined;
}

/** Some entries that are not indexed, and perhaps not even parsed. */
interface Segment {
	last: StreamOffset;
	bytes: number;
	content: StreamEntry[] | StreamBatch;
}

/** Room is made for this share at a time, since the index is walked for it. */
const EVICTED_SHARE = 0.1;
/** Who comes back is often followed by others. When nobody was for a while, the index costs more than it brings. */
const INDEXED_MS = 60_000;
const SEGMENT_ENTRIES = 500;
/** Parsed in one turn of the event loop: some milliseconds. */
const SLICE_ENTRIES = 2000;

export class RecentEntries {
	readonly #maxBytes: number;
	readonly #indexedMs: number;
	/** Oldest first, all older than the indexed entries. */
	#segments: Segment[] = [];
	#entries: RecentEntry[] = [];
	/** Position of the first indexed entry; positions only ever grow. */
	#base = 0;
	#index = new Map<string, number[]>();
	#bytes = 0;
	#from: StreamOffset;
	#usedAt = Number.NEGATIVE_INFINITY;

	/** `indexedMs`: how long after a look-up what is new is indexed at once. */
	constructor(maxBytes: number, from: StreamOffset, indexedMs = INDEXED_MS) {
		this.#maxBytes = maxBytes;
		this.#from = from;
		this.#indexedMs = indexedMs;
	}

	/** Every entry after this one is here. */
	get from(): StreamOffset {
		return this.#from;
	}

	/** Forgets everything; what follows `cursor` will be appended. */
	reset(cursor: StreamOffset): void {
		this.#segments = [];
		this.#entries = [];
		this.#index.clear();
		this.#bytes = 0;
		this.#from = cursor;
	}

	append(entry: StreamEntry): void {
		const bytes = sizeOfEntry(entry);
		if (this.#isIndexing()) {
			this.#add(this.#base + this.#entries.length, entry);
			this.#entries.push(entry);
		} else {
			this.#appendUnindexed(entry, bytes);
		}
		this.#grow(bytes);
	}

	/** A batch that concerns nobody here stays as it came until someone comes back. */
	appendBatch(batch: StreamBatch): void {
		if (this.#isIndexing()) {
			for (const entry of entriesOf(batch)) {
				this.append(entry);
			}
			return;
		}
		this.#retire();
		this.#segments.push({ last: batch.last, bytes: batch.bytes, content: batch });
		this.#grow(batch.bytes);
	}

	/** Puts older entries in front: all those after `from` and up to the present `from`. False when there is no room for them. */
	prepend(from: StreamOffset, entries: readonly StreamEntry[]): boolean {
		const bytes = entries.reduce((sum, entry) => sum + sizeOfEntry(entry), 0);
		if (this.#bytes + bytes > this.#maxBytes) {
			return false;
		}
		this.#segments.unshift({ last: this.#from, bytes, content: [...entries] });
		this.#bytes += bytes;
		this.#from = from;
		return true;
	}

	/** Parses what `select` will need after `after`, without holding up the event loop for all of it. */
	async prepare(after: StreamOffset): Promise<void> {
		let parsed = 0;
		for (const segment of this.#segments.slice(this.#firstAfter(after))) {
			if (!Array.isArray(segment.content)) {
				parsed += segment.content.count;
				segment.content = entriesOf(segment.content);
			}
			if (parsed >= SLICE_ENTRIES) {
				parsed = 0;
				await setImmediate();
			}
		}
	}

	/** Entries of a namespace after `after` that may concern one of `rooms`, oldest first: also those whose rooms are not told. */
	select(nsp: string, rooms: Iterable<Room>, after: StreamOffset): RecentEntry[] {
		this.#indexFrom(after);
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

	#isIndexing(): boolean {
		return performance.now() - this.#usedAt < this.#indexedMs;
	}

	#appendUnindexed(entry: StreamEntry, bytes: number): void {
		this.#retire();
		const newest = this.#segments.at(-1);
		if (newest && Array.isArray(newest.content) && newest.content.length < SEGMENT_ENTRIES) {
			newest.content.push(entry);
			newest.bytes += bytes;
			newest.last = entry.id;
		} else {
			this.#segments.push({ last: entry.id, bytes, content: [entry] });
		}
	}

	/** Gives up the index. */
	#retire(): void {
		const entries = this.#entries;
		this.#entries = [];
		this.#index.clear();
		for (let at = 0; at < entries.length; at += SEGMENT_ENTRIES) {
			const content = entries.slice(at, at + SEGMENT_ENTRIES);
			const bytes = content.reduce((sum, entry) => sum + sizeOfEntry(entry), 0);
			this.#segments.push({ last: content.at(-1)?.id ?? this.#from, bytes, content });
		}
	}

	/** Everything after `after` is indexed, and stays so for a while. */
	#indexFrom(after: StreamOffset): void {
		this.#usedAt = performance.now();
		const older = this.#segments.splice(this.#firstAfter(after));
		if (older.length > 0) {
			this.#entries = [...older.flatMap(({ content }) => (Array.isArray(content) ? content : entriesOf(content))), ...this.#entries];
			this.#reindex();
		}
	}

	/** Index of the first segment that has something after `after`. */
	#firstAfter(after: StreamOffset): number {
		let index = this.#segments.length;
		while (index > 0 && isAfter(this.#segments[index - 1]?.last ?? after, after)) {
			index--;
		}
		return index;
	}

	#grow(bytes: number): void {
		this.#bytes += bytes;
		if (this.#bytes > this.#maxBytes) {
			this.#evict();
		}
	}

	#evict(): void {
		const enough = this.#maxBytes * (1 - EVICTED_SHARE);
		let count = 0;
		while (this.#bytes > enough && count < this.#segments.length) {
			this.#forget(this.#segments[count++]);
		}
		this.#segments.splice(0, count);
		if (this.#bytes > enough) {
			this.#evictIndexed(enough);
		}
	}

	#forget(segment: Segment | undefined): void {
		if (segment) {
			this.#bytes -= segment.bytes;
			this.#from = segment.last;
		}
	}

	#evictIndexed(enough: number): void {
		let count = 0;
		for (const entry of this.#entries) {
			if (this.#bytes <= enough) {
				break;
			}
			this.#bytes -= sizeOfEntry(entry);
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

/** Those that make sense. */
function entriesOf(batch: StreamBatch): StreamEntry[] {
	return batch.parse().flatMap((parsed) => (parsed.kind === 'entry' ? [parsed.entry] : []));
}
