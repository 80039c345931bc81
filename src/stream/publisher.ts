/**
 * Puts a worker's messages on the stream: in batches, in order, each once. What is not there in time is handed back, so that it can be
 * delivered in this pod at least; it waits here all the same, and goes on the stream before anything newer once Redis takes it.
 */
import { randomBytes } from 'node:crypto';
import { sleep, withDeadline } from '../base/deadline.ts';
import { messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Metrics } from '../metrics/registry.ts';
import { Breaker } from '../redis/breaker.ts';
import type { RedisHandle } from '../redis/client.ts';
import { type RedisKeys, redisKeysOf } from '../redis/keys.ts';
import { describeRedisError } from '../redis/problems.ts';
import { createScript, publishCommandOf } from '../redis/script.ts';
import { type EntryFields, formatRooms, MESSAGES_LOST, type PublisherMark } from './entry.ts';
import { STREAM_START, type StreamOffset } from './offset.ts';
import { PUBLISH_SCRIPT } from './publish-script.ts';
import { indexOf, type Route, routesOf } from './route.ts';
import { RouteArguments } from './route-script.ts';
import { buildTombstones } from './tombstones.ts';

export interface Publication {
	readonly fields: EntryFields;
	readonly rooms: readonly unknown[];
}

export type PublishFailure = 'timeout' | 'error' | 'breaker_open';

/** A message that Redis has not taken for this long is given up: the hole in the sequence then tells the other pods that they lost it. */
export const OUTBOX_MAX_AGE_MS = 30_000;

export interface PublisherEvents {
	/** It is on the stream as `id`, or was by then: an earlier try had got there. */
	onPublished(mark: PublisherMark, id: StreamOffset): void;
	/** It is late: neither this one nor any before it that has not come back yet can be waited for. It may still get there. */
	onLate(mark: PublisherMark, failure: PublishFailure): void;
}

export interface Publisher extends Closable {
	/** Never throws; at least one of the events follows, after it has returned. */
	publish(publication: Publication): PublisherMark;
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
	readonly routes: readonly Route[];
	readonly at: number;
	/** It was handed back; nobody here waits for it. */
	isLate: boolean;
}

/** The ids of its messages, or why there are none. */
type BatchOutcome = readonly StreamOffset[] | 'timeout' | 'error';

/** Redis runs nothing else during a script: 256 appends take about 1 ms. */
const MAX_BATCH = 256;
/** An append, and for each room a reference and a push. */
const MAX_BATCH_OPERATIONS = 2000;
const MAX_BATCH_CHARS = 1_000_000;
const MAX_WAITING = 100_000;
const MAX_WAITING_CHARS = 64_000_000;
const OVERFLOW_PARTS = 10;
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
	readonly #publisher = randomBytes(9).toString('base64url');
	#sequence = 0;
	/** The highest sequence that Redis has answered for, and when: it must not forget it while it keeps messages. */
	#acknowledged = 0;
	#acknowledgedAt = 0;
	/** In the order of their sequences; those that are late come first. */
	readonly #waiting: Waiting[] = [];
	#waitingChars = 0;
	#sending = false;
	#closed = false;
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
		const mark = { publisher: this.#publisher, sequence: ++this.#sequence };
		const isLate = this.#breaker.isOpen || this.#closed;
		const { fields, rooms } = publication;
		const routes = routesOf(this.#keys.stream, fields.nsp, rooms);
		this.#waiting.push({ fields, rooms, routes, mark, at: performance.now(), isLate });
		this.#waitingChars += publication.fields.data.length;
		this.#dropOverflow();
		if (isLate) {
			this.#deps.metrics.inc('socketfleet_publish_total', { result: 'breaker_open' }, 1);
			queueMicrotask(() => this.#deps.events.onLate(mark, 'breaker_open'));
		} else {
			this.#startSending();
		}
		return mark;
	}

	problem(): string | undefined {
		return this.#breaker.isOpen ? `messages reach this pod only, until Redis takes them: ${this.#problem}` : undefined;
	}

	close(): void {
		this.#closed = true;
		this.#breaker.close();
	}

	#startSending(): void {
		if (!this.#sending) {
			this.#sending = true;
			// All that is published in one turn of the event loop travels together.
			setImmediate(() => {
				void this.#sendAll();
			});
		}
	}

	async #sendAll(): Promise<void> {
		// One batch in flight: two could change places when the first must be repeated.
		while (this.#waiting.length > 0 && !this.#breaker.isOpen && !this.#closed) {
			this.#dropAged();
			const batch = this.#nextBatch();
			const outcome = await this.#sendInTime(batch);
			if (typeof outcome === 'string') {
				this.#breaker.onFailure();
				this.#handBack(outcome);
			} else {
				this.#removeTo(batch.at(-1)?.mark.sequence ?? 0);
				this.#succeed(batch, outcome);
			}
		}
		this.#sending = false;
	}

	/** The first of the queue; they stay in it until Redis has them. */
	#nextBatch(): readonly Waiting[] {
		let chars = 0;
		let operations = 0;
		let size = 0;
		while (size < this.#waiting.length && size < MAX_BATCH && chars < MAX_BATCH_CHARS && operations < MAX_BATCH_OPERATIONS) {
			chars += this.#waiting[size]?.fields.data.length ?? 0;
			operations += 1 + 2 * Math.max(1, this.#waiting[size]?.rooms.length ?? 0);
			size++;
		}
		return this.#waiting.slice(0, size);
	}

	/** Repeats after a lost connection: the script appends each sequence once. */
	async #sendInTime(batch: readonly Waiting[]): Promise<BatchOutcome> {
		const first = batch[0];
		if (first === undefined) {
			return [];
		}
		// Nobody waits for a late one: it gets as long as it would have had.
		const deadline = (first.isLate ? performance.now() : first.at) + this.#deps.config.publishTimeoutMs;
		for (;;) {
			const leftMs = deadline - performance.now();
			if (leftMs <= 0) {
				this.#problem ||= 'Redis does not answer in time';
				return 'timeout';
			}
			try {
				return await withDeadline(this.#send(batch, first.mark), leftMs, 'publishing');
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

	/** Gives an id for each message. */
	async #send(batch: readonly Waiting[], first: PublisherMark): Promise<readonly StreamOffset[]> {
		const { config, redis } = this.#deps;
		const { stream, epoch, bounds } = this.#keys;
		const retentionMs = retentionMsOf(config);
		const isRemembered = performance.now() - this.#acknowledgedAt < retentionMs / 2;
		const args: (string | number)[] = [
			first.publisher,
			first.sequence,
			isRemembered && first.publisher === this.#publisher ? this.#acknowledged : 0,
			retentionMs,
			config.streamMaxEntries,
			publishCommandOf(redis.commands),
		];
		const routed = new RouteArguments([stream, this.#keys.publisher(first.publisher), epoch, bounds]);
		if (batch.length === 0) {
			routed.keys.push(indexOf(stream, ''));
		}
		for (const { fields, rooms, routes } of batch) {
			args.push(fields.uid, fields.nsp, fields.type, fields.data, formatRooms(rooms) ?? '');
			routed.add(args, routes);
		}
		const [, ...ids] = (await SCRIPT.run(redis.commands, routed.keys, args)) as string[];
		return ids as StreamOffset[];
	}

	/** A batch of no messages: shows that the script may write. */
	async #probe(): Promise<void> {
		const probe = { publisher: `${this.#publisher}.probe`, sequence: 1 };
		await withDeadline(this.#send([], probe), this.#deps.config.publishTimeoutMs, 'asking Redis');
	}

	#succeed(batch: readonly Waiting[], ids: readonly StreamOffset[]): void {
		const { metrics, events } = this.#deps;
		this.#breaker.onSuccess();
		this.#acknowledged = batch.at(-1)?.mark.sequence ?? this.#acknowledged;
		this.#acknowledgedAt = performance.now();
		metrics.inc('socketfleet_publish_total', { result: 'ok' }, batch.filter(({ isLate }) => !isLate).length);
		metrics.observe('socketfleet_publish_seconds', {}, (performance.now() - (batch[0]?.at ?? 0)) / 1000);
		for (const [index, { mark }] of batch.entries()) {
			events.onPublished(mark, ids[index] ?? STREAM_START);
		}
	}

	/** Those behind the batch must not overtake it, and Redis is away: they are late, too. */
	#handBack(failure: PublishFailure): void {
		for (const message of this.#waiting.filter(({ isLate }) => !isLate)) {
			message.isLate = true;
			this.#deps.metrics.inc('socketfleet_publish_total', { result: failure }, 1);
			this.#deps.events.onLate(message.mark, failure);
		}
	}

	#dropAged(): void {
		const threshold = performance.now() - OUTBOX_MAX_AGE_MS;
		const isAged = ({ at }: Waiting): boolean => at <= threshold;
		const kept = this.#waiting.findIndex((message) => !isAged(message));
		const count = kept === -1 ? this.#waiting.length : kept;
		if (this.#waiting.slice(0, count).some(({ fields }) => fields.type !== MESSAGES_LOST)) {
			this.#drop(count);
		}
	}

	#dropOverflow(): void {
		if (this.#waiting.length > MAX_WAITING || this.#waitingChars > MAX_WAITING_CHARS) {
			// A part at a time: each costs a walk over what waits.
			this.#drop(Math.ceil(this.#waiting.length / OVERFLOW_PARTS));
		}
	}

	/** Lost for other pods. In their place goes a word of it to each of their targets, so that the clients there are told. */
	#drop(count: number): void {
		if (count === 0) {
			return;
		}
		const dropped = this.#waiting.slice(0, count);
		for (const message of dropped.filter(({ isLate }) => !isLate)) {
			message.isLate = true;
			this.#deps.metrics.inc('socketfleet_publish_total', { result: 'timeout' }, 1);
			queueMicrotask(() => this.#deps.events.onLate(message.mark, 'timeout'));
		}
		const messages = dropped.filter(({ fields }) => fields.type !== MESSAGES_LOST).length;
		this.#deps.metrics.inc('socketfleet_publish_total', { result: 'lost' }, messages);
		this.#deps.log.debug({ count: messages }, 'messages waited for Redis too long and were given up');
		this.#remove(count);
		const at = dropped.at(-1)?.at ?? 0;
		const told = buildTombstones(dropped).map((lost) => ({
			...lost,
			routes: routesOf(this.#keys.stream, lost.fields.nsp, lost.rooms),
			at,
			isLate: true,
		}));
		this.#waiting.unshift(...told);
		for (const { fields } of told) {
			this.#waitingChars += fields.data.length;
		}
	}

	/** Some of a batch may have been given up while it was under way: in their place is the word of it, which has not been sent. */
	#removeTo(sequence: number): void {
		const kept = this.#waiting.findIndex(({ mark }) => mark.sequence > sequence);
		this.#remove(kept === -1 ? this.#waiting.length : kept);
	}

	#remove(count: number): void {
		for (const { fields } of this.#waiting.splice(0, count)) {
			this.#waitingChars -= fields.data.length;
		}
	}

	#onBreaker(open: boolean): void {
		this.#deps.metrics.set('socketfleet_breaker_open', {}, open ? 1 : 0);
		if (open) {
			this.#deps.log.warn(`publishing stopped, local delivery goes on: ${this.#problem}`);
		} else {
			this.#deps.log.info({ waiting: this.#waiting.length }, 'publishing goes on');
			this.#problem = '';
			this.#startSending();
		}
	}
}
