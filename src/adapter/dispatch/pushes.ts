/**
 * What Redis pushes to this worker: subscribes to the channels of its rooms by a connection of its own, and gives the dispatcher everything
 * that is for them in the order of the log, without a hole.
 *
 * The connection that is pushed to and the one that is read with are not ordered. So nothing that was read is merged with what is pushed
 * before a fence has come back that was sent behind the read.
 */
import { randomUUID } from 'node:crypto';
import { backoffMs } from '../../base/backoff.ts';
import { sleep } from '../../base/deadline.ts';
import { messageOf } from '../../base/errors.ts';
import type { Closable } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { RedisHandle } from '../../redis/client.ts';
import { describeRedisError } from '../../redis/problems.ts';
import { parsePush } from '../../stream/entry.ts';
import { readHistory } from '../../stream/history.ts';
import { readByIndex, readLogPage } from '../../stream/missed.ts';
import { parseOffset, STREAM_START, type StreamOffset } from '../../stream/offset.ts';
import { tickChannelOf, workerChannelOf } from '../../stream/route.ts';
import type { Position } from '../position.ts';
import type { Channels } from './channels.ts';
import type { Dispatcher, Item } from './dispatcher.ts';
import { openPushConnection, type PushConnection } from './push-connection.ts';

export interface Tick {
	readonly last: StreamOffset;
	readonly epoch: string;
	/** Someone has written the log of late without pushing what is written. */
	readonly hasForeign: boolean;
}

export interface PushesDeps {
	readonly redis: RedisHandle;
	readonly stream: string;
	readonly channels: Channels;
	readonly position: Position;
	readonly dispatcher: Dispatcher;
	readonly metrics: Metrics;
	readonly log: Logger;
	/** How long someone who joins a room waits for it. */
	readonly joinTimeoutMs: number;
	/** The log's last id, and what else is known of it. */
	onTick(tick: Tick): void;
}

/** How often rooms that nobody needs any more are looked for. */
const LOOK_EVERY_MS = 500;

export class Pushes implements Closable {
	readonly #deps: PushesDeps;
	readonly #ownChannel: string;
	readonly #tickChannel: string;
	readonly #stop = new AbortController();
	#isLive = false;
	#inbox: Item[] = [];
	#lastPush = '';
	/** Settled when the rooms that are new by now are live. */
	#joined = Promise.withResolvers<void>();
	#wake: (() => void) | undefined;
	#done: Promise<void> = Promise.resolve();

	constructor(deps: PushesDeps) {
		this.#deps = deps;
		this.#ownChannel = workerChannelOf(deps.stream, randomUUID());
		this.#tickChannel = tickChannelOf(deps.stream);
	}

	get isLive(): boolean {
		return this.#isLive;
	}

	/** Goes on after the cursor of this worker; nothing is dispatched before that is reached. */
	start(): void {
		this.#deps.dispatcher.hold(STREAM_START);
		this.#done = this.#run();
	}

	/** Nothing is dispatched from here on: the cursor is where whoever comes next goes on. */
	async close(): Promise<void> {
		this.#stop.abort();
		this.#deps.dispatcher.hold(this.#limit);
		this.#wake?.();
		await this.#done;
	}

	/**
	 * There are new channels: those of one turn of the event loop are joined together. Resolves when they are live, or after the publish
	 * timeout: with Redis away nobody is kept waiting.
	 */
	join(): Promise<void> {
		this.#deps.dispatcher.hold(this.#limit);
		setImmediate(() => this.#wake?.());
		return Promise.race([this.#joined.promise, sleep(this.#deps.joinTimeoutMs)]);
	}

	/** Nothing moves while the connection is broken, or when it is closed: what is pushed next does not follow. */
	get #limit(): StreamOffset | undefined {
		return this.#isLive && !this.#stop.signal.aborted ? this.#deps.channels.limit : STREAM_START;
	}

	async #run(): Promise<void> {
		let failures = 0;
		while (!this.#stop.signal.aborted) {
			try {
				await this.#serve(() => {
					failures = 0;
				});
			} catch (error) {
				this.#report(error);
			}
			this.#isLive = false;
			this.#deps.dispatcher.hold(this.#limit);
			await sleep(backoffMs(failures++, { minMs: 20, maxMs: 1000 }), this.#stop.signal);
		}
	}

	#report(error: unknown): void {
		if (!this.#stop.signal.aborted) {
			const { reason } = describeRedisError(error, '');
			this.#deps.metrics.inc('socketfleet_redis_errors_total', { reason: `read_${reason}` }, 1);
			this.#deps.log.debug({ err: messageOf(error) }, 'messages cannot be received, trying again');
		}
	}

	/** From the beginning of a connection to its end. */
	async #serve(onLive: () => void): Promise<void> {
		const { redis, stream, channels, dispatcher } = this.#deps;
		const connection = await openPushConnection(
			{ redis, ownChannel: this.#ownChannel, onMessage: (...message) => this.#onMessage(...message), onFence: () => this.#flush() },
			stream,
		);
		const stop = (): void => connection.close();
		this.#stop.signal.addEventListener('abort', stop, { once: true, signal: connection.broken });
		try {
			this.#stop.signal.throwIfAborted();
			await this.#catchUp(connection);
			this.#isLive = true;
			onLive();
			this.#settleJoined();
			dispatcher.hold(this.#limit);
			while (!connection.broken.aborted && !this.#stop.signal.aborted) {
				if (channels.hasNew) {
					await this.#joinNew(connection);
				}
				await connection.unsubscribe(channels.takeIdle());
				await this.#wait(connection.broken);
			}
		} finally {
			connection.close();
			this.#flush();
		}
	}

	/** Until there are new channels, or a look is due, or the connection breaks. */
	async #wait(broken: AbortSignal): Promise<void> {
		if (this.#deps.channels.hasNew || broken.aborted) {
			return;
		}
		const woken = new AbortController();
		this.#wake = () => woken.abort();
		await sleep(LOOK_EVERY_MS, AbortSignal.any([woken.signal, broken]));
	}

	#onMessage(channel: string, payload: string): void {
		if (channel === this.#tickChannel) {
			const [last, epoch = '', origin] = payload.split(' ');
			const id = parseOffset(last);
			if (id !== undefined) {
				this.#take({ kind: 'passed', id });
				this.#flush();
				this.#deps.onTick({ last: id, epoch, hasForeign: origin === 'foreign' });
			}
			return;
		}
		const id = payload.slice(0, payload.indexOf('\0'));
		if (id === this.#lastPush) {
			// It came by the channel of another of its rooms, too.
			return;
		}
		this.#lastPush = id;
		this.#deps.metrics.inc('socketfleet_stream_entries_read_total', {}, 1);
		const parsed = parsePush(payload);
		if (parsed) {
			this.#take(parsed);
		}
	}

	/** What comes in one piece is dispatched together. */
	#take(item: Item): void {
		if (this.#inbox.push(item) === 1) {
			queueMicrotask(() => this.#flush());
		}
	}

	#flush(): void {
		const items = this.#inbox;
		this.#inbox = [];
		if (items.length > 0) {
			this.#deps.dispatcher.receive(items);
		}
	}

	/**
	 * From the cursor to what is pushed: reads the log until little is left, subscribes, reads the rest. Behind the new connection may be
	 * another server, whose log was set back or trimmed meanwhile.
	 */
	async #catchUp(connection: PushConnection): Promise<void> {
		const { redis, stream, position, dispatcher, channels } = this.#deps;
		const history = await readHistory(redis.commands, stream, position.cursor ?? STREAM_START);
		if (history.kind !== 'continues') {
			dispatcher.skipTo(history.kind, history.cursor);
		}
		let page = await readLogPage(redis.commands, stream, position.cursor ?? STREAM_START);
		while (page.isFull) {
			dispatcher.merge(page.entries);
			dispatcher.hold(page.last);
			page = await readLogPage(redis.commands, stream, page.last);
		}
		const wanted = channels.listAll();
		await connection.subscribe([this.#ownChannel, this.#tickChannel, ...wanted.map(({ name }) => name)]);
		let from = position.cursor ?? STREAM_START;
		do {
			const after = from;
			page = await connection.fenced((fence) => readLogPage(redis.commands, stream, after, fence));
			dispatcher.merge(page.entries);
			from = page.last;
		} while (page.isFull);
		channels.setLive(wanted);
	}

	/** New rooms: subscribed first, then read since they were joined. */
	async #joinNew(connection: PushConnection): Promise<void> {
		const { redis, stream, channels, dispatcher } = this.#deps;
		const from = channels.limit;
		const added = channels.listNew();
		const joined = this.#joined;
		this.#joined = Promise.withResolvers();
		try {
			if (added.length > 0 && from !== undefined) {
				await connection.subscribe(added.map(({ name }) => name));
				const range = { places: added, from, to: undefined };
				const { entries } = await connection.fenced((fence) => readByIndex(redis.commands, stream, range, fence));
				dispatcher.merge(entries);
			}
			channels.setLive(added);
			joined.resolve();
			if (!channels.hasNew) {
				// A room that was left and joined again meanwhile is live by now.
				this.#settleJoined();
			}
			dispatcher.hold(this.#limit);
		} catch (error) {
			// They are joined with all others, by the next connection.
			void this.#joined.promise.then(() => joined.resolve());
			throw error;
		}
	}

	#settleJoined(): void {
		const joined = this.#joined;
		this.#joined = Promise.withResolvers();
		joined.resolve();
	}
}
