/** Reads what is older than the entries at hand: once for all clients that need it, when it fits in memory. */
import type { RedisHandle } from '../../redis/client.ts';
import { parseEntry, type StreamEntry } from '../../stream/entry.ts';
import { compareOffsets, type StreamOffset } from '../../stream/offset.ts';
import { type RawEntry, readRange } from '../../stream/reader.ts';
import { SequenceTracker } from '../dispatch/sequence-tracker.ts';
import type { RecentEntries } from './recent-entries.ts';
import type { Replay } from './replay.ts';
import { Semaphore } from './semaphore.ts';

/** `incomplete`: entries of that time were trimmed, or lost in a failover. */
export type LoadResult = 'ok' | 'incomplete';

const MAX_SHARED_ENTRIES = 20_000;
const PRIVATE_PAGE_ENTRIES = 2000;
const MAX_PRIVATE_READS = 2;

export class OlderEntries {
	readonly #redis: RedisHandle;
	readonly #stream: string;
	readonly #recent: RecentEntries;
	readonly #private = new Semaphore(MAX_PRIVATE_READS);
	/** The oldest offset that someone waits for. */
	#wanted: StreamOffset | undefined;
	#loading: Promise<void> | undefined;
	/** Where reading further back for everyone was given up. */
	#tooFar: StreamOffset | undefined;

	constructor(redis: RedisHandle, stream: string, recent: RecentEntries) {
		this.#redis = redis;
		this.#stream = stream;
		this.#recent = recent;
	}

	/** Brings `replay` to where the entries at hand begin. Rejects when Redis fails. */
	async lead(replay: Replay): Promise<LoadResult> {
		const offset = replay.position;
		while (this.#isMissing(offset) && this.#isSharable(offset)) {
			this.#wanted = this.#wanted === undefined || compareOffsets(offset, this.#wanted) < 0 ? offset : this.#wanted;
			// Those who come while one read is under way are served by the next, together.
			this.#loading ??= this.#loadShared().finally(() => {
				this.#loading = undefined;
			});
			await this.#loading;
		}
		const result = this.#isMissing(offset) ? await this.#private.run(() => this.#readFor(replay)) : 'ok';
		await this.#recent.prepare(replay.position);
		return result;
	}

	#isMissing(offset: StreamOffset): boolean {
		return compareOffsets(offset, this.#recent.from) < 0;
	}

	#isSharable(offset: StreamOffset): boolean {
		return this.#tooFar === undefined || compareOffsets(offset, this.#tooFar) > 0;
	}

	async #loadShared(): Promise<void> {
		const from = this.#wanted;
		this.#wanted = undefined;
		const to = this.#recent.from;
		if (from === undefined || compareOffsets(from, to) >= 0) {
			return;
		}
		const range = await readRange(this.#redis.commands, this.#stream, { from, to, maxEntries: MAX_SHARED_ENTRIES });
		const entries = parseAll(range.entries);
		const isUsable = range.complete && !range.cut && !hasHole(entries);
		// Old entries were evicted, or others put in front, while this was read.
		if (compareOffsets(to, this.#recent.from) === 0 && !(isUsable && this.#recent.prepend(from, entries))) {
			this.#tooFar = from;
		}
	}

	/** For this client alone; nothing is kept. */
	async #readFor(replay: Replay): Promise<LoadResult> {
		const start = replay.position;
		const sequences = new SequenceTracker();
		let from = start;
		while (compareOffsets(from, this.#recent.from) < 0) {
			const to = this.#recent.from;
			const page = await readRange(this.#redis.commands, this.#stream, { from, to, maxEntries: PRIVATE_PAGE_ENTRIES });
			const entries = parseAll(page.entries);
			if (!page.complete || entries.some(({ mark }) => mark !== undefined && sequences.check(mark) === 'gap')) {
				return 'incomplete';
			}
			if (replay.feed(entries) !== 'ok') {
				return 'ok';
			}
			from = page.cut ? (entries.at(-1)?.id ?? to) : to;
			replay.skipTo(from);
		}
		return 'ok';
	}
}

function parseAll(raws: readonly RawEntry[]): StreamEntry[] {
	const entries: StreamEntry[] = [];
	for (const raw of raws) {
		const parsed = parseEntry(raw);
		if (parsed?.kind === 'entry') {
			entries.push(parsed.entry);
		}
	}
	return entries;
}

function hasHole(entries: readonly StreamEntry[]): boolean {
	const sequences = new SequenceTracker();
	return entries.some(({ mark }) => mark !== undefined && sequences.check(mark) === 'gap');
}
