/**
 * Follows the stream from a concrete id of its own: nothing that is added between two reads, or while Redis is away, is passed over.
 * Says so when entries are missing, or when the stream was set back by a failover or a restart without data.
 */
import { backoffMs } from '../base/backoff.ts';
import { sleep } from '../base/deadline.ts';
import { messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { RedisConnection, RedisHandle } from '../redis/client.ts';
import { describeRedisError } from '../redis/problems.ts';
import { canBeTrimmed, isComplete, readStreamInfo, type StreamInfo, trimmedCountOf } from './info.ts';
import { compareOffsets, offsetBefore, parseOffset, STREAM_START, type StreamOffset } from './offset.ts';

/** As Redis gave it: `[id, [field, value, ...]]`. */
export type RawEntry = readonly [id: string, fields: readonly string[]];

export type GapReason = 'trimmed' | 'rewound';

export interface ReaderEvents {
	/** `entries` follow `after` without a hole; empty when nothing came for a while. */
	onBatch(after: StreamOffset, entries: readonly RawEntry[]): void;
	/** Entries before `cursor` are lost for this reader, which goes on from there. */
	onGap(reason: GapReason, cursor: StreamOffset): void;
}

export interface ReaderDeps {
	readonly redis: RedisHandle;
	readonly stream: string;
	readonly log: Logger;
	readonly metrics: Metrics;
	readonly events: ReaderEvents;
}

/** How long a read waits for entries. */
const BLOCK_MS = 1000;
const BATCH = 500;
/**
 * Reads that bring something are at least this far apart. The first message after a pause does not wait; in a stream of them each read
 * brings several, and a read of one entry costs ten times as much for each as a read of a hundred.
 */
const READ_EVERY_MS = 5;
/** A read that is answered, or follows the one before it, this late was held up: the stream may have been trimmed past the cursor meanwhile. */
const HELD_UP_MS = BLOCK_MS + 250;
const COMMAND_TIMEOUT_MS = 4 * BLOCK_MS;

export class StreamReader implements Closable {
	readonly #deps: ReaderDeps;
	readonly #stop = new AbortController();
	readonly #connection: RedisConnection;
	#cursor: StreamOffset;
	/** How many entries were added up to the cursor, ever, itself included; undefined until it is known. */
	#ordinal: number | undefined;
	#suspicious = true;
	#askedAt = 0;
	#done: Promise<void>;

	/** Begins to read after `cursor`. */
	constructor(deps: ReaderDeps, cursor: StreamOffset) {
		this.#deps = deps;
		this.#cursor = cursor;
		this.#connection = deps.redis.duplicate('reader', { commandTimeoutMs: COMMAND_TIMEOUT_MS });
		this.#done = this.#run();
	}

	async close(): Promise<void> {
		this.#stop.abort();
		this.#connection.disconnect();
		await this.#done;
	}

	async #run(): Promise<void> {
		let failures = 0;
		while (!this.#stop.signal.aborted) {
			try {
				const begun = performance.now();
				const count = await this.#read();
				failures = 0;
				if (count > 0 && count < BATCH) {
					await sleep(Math.max(0, READ_EVERY_MS - (performance.now() - begun)), this.#stop.signal);
				}
			} catch (error) {
				if (this.#stop.signal.aborted) {
					return;
				}
				const { reason } = describeRedisError(error, '');
				this.#deps.metrics.inc('socketfleet_redis_errors_total', { reason: `read_${reason}` }, 1);
				this.#deps.log.debug({ err: messageOf(error) }, 'reading the stream failed, trying again');
				this.#suspicious = true;
				await sleep(backoffMs(failures++, { minMs: 20, maxMs: 1000 }), this.#stop.signal);
			}
		}
	}

	/** Gives the number of entries. */
	async #read(): Promise<number> {
		const after = this.#cursor;
		const askedAt = performance.now();
		const askedBefore = this.#askedAt;
		this.#askedAt = askedAt;
		const reply: unknown = await this.#connection.xread('COUNT', BATCH, 'BLOCK', BLOCK_MS, 'STREAMS', this.#deps.stream, after);
		const entries = entriesOf(reply);
		const isHeldUp = askedAt - askedBefore > HELD_UP_MS || performance.now() - askedAt > HELD_UP_MS;
		const isSuspicious = this.#suspicious || isHeldUp;
		let from = after;
		let ordinal = this.#ordinal === undefined ? undefined : this.#ordinal + entries.length;
		if (isSuspicious || entries.length >= BATCH || entries.length === 0) {
			const info = await this.#checkHistory(after, isSuspicious);
			if (info === undefined) {
				return 0;
			}
			if (this.#hasLost(info, after)) {
				// The hole ends where the batch begins: who was somewhere in it, with another worker, must not be recovered from what is here.
				const first = parseOffset(entries[0]?.[0]);
				from = first === undefined ? info.last : offsetBefore(first);
				this.#deps.events.onGap('trimmed', from);
				// Those that are lost are not among those read.
				ordinal = undefined;
			}
			if (info.added !== undefined && info.last === (entries.at(-1)?.[0] ?? from)) {
				ordinal = info.added;
			}
		}
		this.#suspicious = false;
		this.#ordinal = ordinal;
		this.#cursor = parseOffset(entries.at(-1)?.[0]) ?? from;
		this.#deps.events.onBatch(from, entries);
		return entries.length;
	}

	/**
	 * Asked after the read; undefined when the stream was set back and the batch is of no use. Behind a new connection may be another server:
	 * one that came back empty, or a replica that lagged. Who writes to it at once takes its last id past the cursor, but the entry at the
	 * cursor is not there.
	 */
	async #checkHistory(after: StreamOffset, isSuspicious: boolean): Promise<StreamInfo | undefined> {
		const { stream } = this.#deps;
		const isThere = !isSuspicious || after === STREAM_START || (await this.#connection.xrange(stream, after, after)).length > 0;
		// In this order: what was trimmed before the look at the entry is in these numbers.
		const info = await readStreamInfo(this.#connection, stream);
		if (compareOffsets(info.last, after) < 0 || !(isThere || canBeTrimmed(info, after, this.#ordinal))) {
			this.#skipTo(info.last, 'rewound');
			return undefined;
		}
		return info;
	}

	/** Trimming goes from the old end: more were trimmed than had been seen, or, while that is not known, the cursor is no longer there. */
	#hasLost(info: StreamInfo, after: StreamOffset): boolean {
		const trimmed = trimmedCountOf(info);
		if (trimmed === undefined) {
			// Before Redis 7 only the publishers' sequences tell.
			return false;
		}
		return this.#ordinal === undefined ? !isComplete(info, after) : trimmed > this.#ordinal;
	}

	#skipTo(cursor: StreamOffset, reason: GapReason): void {
		this.#cursor = cursor;
		this.#ordinal = undefined;
		this.#deps.events.onGap(reason, cursor);
	}
}

function entriesOf(reply: unknown): readonly RawEntry[] {
	if (!Array.isArray(reply) || !Array.isArray(reply[0])) {
		return [];
	}
	const entries: unknown = reply[0][1];
	return Array.isArray(entries) ? (entries as RawEntry[]) : [];
}

const PAGE = 500;

/**
 * All entries after `from` up to `to`, page by page. `complete` is false when entries of that range had been trimmed already,
 * `cut` when more than `maxEntries` were found: `entries` then holds the first of them.
 */
export async function readRange(
	connection: RedisConnection,
	stream: string,
	range: { readonly from: StreamOffset; readonly to: StreamOffset; readonly maxEntries: number },
): Promise<{ readonly entries: readonly RawEntry[]; readonly complete: boolean; readonly cut: boolean }> {
	const entries: RawEntry[] = [];
	let from = range.from;
	while (entries.length < range.maxEntries && compareOffsets(from, range.to) < 0) {
		const page = (await connection.xrange(stream, `(${from}`, range.to, 'COUNT', PAGE)) as RawEntry[];
		for (const entry of page) {
			entries.push(entry);
		}
		const last = parseOffset(page.at(-1)?.[0]);
		if (last === undefined || page.length < PAGE) {
			break;
		}
		from = last;
	}
	const info = await readStreamInfo(connection, stream);
	const cut = entries.length >= range.maxEntries;
	return { entries, cut, complete: isComplete(info, range.from) && compareOffsets(range.from, info.last) <= 0 };
}
