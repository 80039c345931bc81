/**
 * Puts a worker's messages on the stream: in batches, in order, each at most once, each with a deadline.
 * What did not get there in time is handed back, in order, so that it can be delivered in this pod at least.
 */
import { randomBytes } from 'node:crypto';
import { sleep, withDeadline } from '../base/deadline.ts';
import { messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Metrics } from '../metrics/registry.ts';
import { Breaker } from './breaker.ts';
import type { RedisHandle } from './client.ts';
import { type RedisKeys, redisKeysOf } from './keys.ts';
import { describeRedisError } from './problems.ts';
import { PUBLISH_SCRIPT } from './publish-script.ts';
import { createScript } from './script.ts';
import { type EntryFields, formatRooms, type PublisherMark } from './stream-entry.ts';

export interface Publication {
	readonly fields: EntryFields;
	readonly rooms: readonly unknown[];
}

export type PublishFailure = 'timeout' | 'error' | 'breaker_open';

export interface PublisherEvents {
	/** It is on the stream, and will come back from there. */
	onPublished(mark: PublisherMark): void;
	/** Neither this one nor any that was marked before it and has not come back yet can be waited for any longer. */
	onFailed(mark: PublisherMark, failure: PublishFailure): void;
}

export interface Publisher extends Closable {
	/** Never throws; exactly one of the events follows, after it has returned. */
	publish(publication: Publication): PublisherMark;
	/** Is this one of ours, of whatever epoch? */
	isOwn(mark: PublisherMark): boolean;
	/** A sentence while nothing is published; undefined otherwise. */
	problem(): string | undefined;
}

export interface PublisherDeps {
	readonly redis: RedisHandle;
	readonly config: Config;
	readonly metrics: Metrics;
	readonly log: Logger;
	readonly events: PublisherEvents;
}

interface Waiting extends Publication {
	readonly mark: PublisherMark;
	readonly at: number;
}

type BatchOutcome = 'ok' | PublishFailure;

/** Redis runs nothing else during a script: 256 appends take about 1 ms. */
const MAX_BATCH = 256;
const MAX_BATCH_CHARS = 1_000_000;
const MAX_WAITING = 100_000;
const RETRY_EVERY_MS = 25;
/** Kept longer than clients may be away: pings must notice first, and a restore takes a moment. */
const RETENTION_MARGIN_MS = 60_000;

const SCRIPT = createScript(PUBLISH_SCRIPT);

export function createPublisher(deps: PublisherDeps): Publisher {
	return new StreamPublisher(deps);
}

/** How long entries are kept. */
export function retentionMsOf(config: Pick<Config, 'recoveryWindowMs' | 'pingIntervalMs' | 'pingTimeoutMs'>): number {
	return config.recoveryWindowMs + config.pingIntervalMs + config.pingTimeoutMs + RETENTION_MARGIN_MS;
}

class StreamPublisher implements Publisher {
	readonly #deps: PublisherDeps;
	readonly #keys: RedisKeys;
	readonly #breaker: Breaker;
	readonly #base = randomBytes(9).toString('base64url');
	/** Counts failures: within one epoch sequences have no holes, so that a hole means that entries were lost. */
	#epoch = 0;
	#sequence = 0;
	#unsent = 0;
	#waiting: Waiting[] = [];
	#sending = false;
	#closed = false;
	/** Redis' clock minus ours; undefined until it has been asked. */
	#clockOffsetMs: number | undefined;
	#problem = '';

	constructor(deps: PublisherDeps) {
		this.#deps = deps;
		this.#keys = redisKeysOf(deps.config);
		this.#breaker = new Breaker({ probe: () => this.#probe(), onChange: (open) => this.#onBreaker(open) });
		deps.metrics.set('socketfleet_breaker_open', {}, 0);
		deps.redis.onState((state) => {
			if (state === 'ready') {
				this.#breaker.hint();
			}
		});
	}

	publish(publication: Publication): PublisherMark {
		if (this.#breaker.isOpen || this.#closed || this.#waiting.length >= MAX_WAITING) {
			// A mark that never reaches the stream: it must not make a hole in the sequence.
			const mark = { publisher: `${this.#base}.none`, sequence: ++this.#unsent };
			this.#deps.metrics.inc('socketfleet_publish_total', { result: 'breaker_open' }, 1);
			queueMicrotask(() => this.#deps.events.onFailed(mark, 'breaker_open'));
			return mark;
		}
		const mark = { publisher: `${this.#base}.${this.#epoch}`, sequence: ++this.#sequence };
		this.#waiting.push({ ...publication, mark, at: performance.now() });
		if (!this.#sending) {
			this.#sending = true;
			// All that is published in one turn of the event loop travels together.
			setImmediate(() => {
				void this.#sendAll();
			});
		}
		return mark;
	}

	isOwn(mark: PublisherMark): boolean {
		return mark.publisher.startsWith(this.#base);
	}

	problem(): string | undefined {
		return this.#breaker.isOpen ? `messages are delivered in this pod only: ${this.#problem}` : undefined;
	}

	close(): void {
		this.#closed = true;
		this.#breaker.close();
	}

	async #sendAll(): Promise<void> {
		// One batch in flight: two could change places when the first must be repeated.
		while (this.#waiting.length > 0) {
			const batch = this.#takeBatch();
			const outcome = await this.#sendInTime(batch);
			if (outcome === 'ok') {
				this.#succeed(batch);
			} else {
				this.#breaker.onFailure();
				// Those behind it must not overtake it, and Redis is away: they go the same way.
				this.#fail([...batch, ...this.#waiting.splice(0)], outcome);
				this.#epoch++;
				this.#sequence = 0;
			}
		}
		this.#sending = false;
	}

	#takeBatch(): Waiting[] {
		let chars = 0;
		let size = 0;
		while (size < this.#waiting.length && size < MAX_BATCH && chars < MAX_BATCH_CHARS) {
			chars += this.#waiting[size]?.fields.data.length ?? 0;
			size++;
		}
		return this.#waiting.splice(0, size);
	}

	/** Repeats after a lost connection: the script appends each sequence once. */
	async #sendInTime(batch: readonly Waiting[]): Promise<BatchOutcome> {
		const first = batch[0];
		if (first === undefined) {
			return 'ok';
		}
		const deadline = first.at + this.#deps.config.publishTimeoutMs;
		for (;;) {
			const leftMs = deadline - performance.now();
			if (leftMs <= 0) {
				this.#problem ||= 'Redis does not answer in time';
				return 'timeout';
			}
			try {
				const isInTime = await withDeadline(this.#send(batch, first.mark, leftMs), leftMs, 'publishing');
				return isInTime ? 'ok' : 'timeout';
			} catch (error) {
				const problem = describeRedisError(error, 'the configured address');
				this.#problem = problem.sentence;
				this.#deps.metrics.inc('socketfleet_redis_errors_total', { reason: `publish_${problem.reason}` }, 1);
				if (error instanceof Error && error.name === 'ReplyError') {
					return 'error';
				}
				this.#deps.log.debug({ err: messageOf(error) }, 'publishing failed, trying again');
				await sleep(RETRY_EVERY_MS);
			}
		}
	}

	async #send(batch: readonly Waiting[], first: PublisherMark, leftMs: number): Promise<boolean> {
		const { config, redis } = this.#deps;
		if (this.#clockOffsetMs === undefined) {
			await this.#probe();
		}
		const redisDeadline = Math.floor(Date.now() + (this.#clockOffsetMs ?? 0) + leftMs);
		const args: (string | number)[] = [first.publisher, first.sequence, redisDeadline, retentionMsOf(config), config.streamMaxEntries];
		for (const { fields, rooms } of batch) {
			args.push(fields.uid, fields.nsp, fields.type, fields.data, formatRooms(rooms) ?? '');
		}
		const answer = await SCRIPT.run(redis.commands, [this.#keys.stream, this.#keys.publisher(first.publisher)], args);
		return Array.isArray(answer) && answer[1] !== 'late';
	}

	/** A batch of no messages: shows that the script may write, and tells Redis' clock, which deadlines go by. */
	async #probe(): Promise<void> {
		const { config, redis } = this.#deps;
		const sentAt = Date.now();
		const args = [`${this.#base}.probe`, 1, 0, retentionMsOf(config), config.streamMaxEntries];
		const keys = [this.#keys.stream, this.#keys.publisher(`${this.#base}.probe`)];
		const answer = await withDeadline(SCRIPT.run(redis.commands, keys, args), config.publishTimeoutMs, 'asking Redis');
		this.#clockOffsetMs = Number(Array.isArray(answer) ? answer[0] : 0) - (sentAt + Date.now()) / 2;
	}

	#succeed(batch: readonly Waiting[]): void {
		const { metrics, events } = this.#deps;
		this.#breaker.onSuccess();
		metrics.inc('socketfleet_publish_total', { result: 'ok' }, batch.length);
		metrics.observe('socketfleet_publish_seconds', {}, (performance.now() - (batch[0]?.at ?? 0)) / 1000);
		for (const { mark } of batch) {
			events.onPublished(mark);
		}
	}

	#fail(batch: readonly Waiting[], failure: PublishFailure): void {
		this.#deps.metrics.inc('socketfleet_publish_total', { result: failure }, batch.length);
		for (const { mark } of batch) {
			this.#deps.events.onFailed(mark, failure);
		}
	}

	#onBreaker(open: boolean): void {
		this.#deps.metrics.set('socketfleet_breaker_open', {}, open ? 1 : 0);
		if (open) {
			this.#deps.log.warn(`publishing stopped, local delivery goes on: ${this.#problem}`);
		} else {
			this.#deps.log.info('publishing goes on');
			this.#problem = '';
		}
	}
}
