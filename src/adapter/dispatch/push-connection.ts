/** One connection that Redis pushes to, from its beginning to its end: subscribing, fences, and whether it is still of use. Knows no order of entries. */
import { randomUUID } from 'node:crypto';
import { withDeadline } from '../../base/deadline.ts';
import type { RedisHandle, SubscriberConnection } from '../../redis/client.ts';
import type { Fence } from '../../stream/missed.ts';

export interface PushConnectionDeps {
	readonly redis: RedisHandle;
	/** Only this worker listens on it: its fences come back there. */
	readonly ownChannel: string;
	onMessage(channel: string, payload: string): void;
	/** A fence is about to be passed: everything that was pushed before it has been given to `onMessage`. */
	onFence(): void;
}

/** Redis stops for 3 ms for so many. */
const CHANNELS_AT_ONCE = 500;
/**
 * A tick comes each second: a connection that brings nothing between so many checks is of no use. Checks are counted, not time: a worker that
 * was busy for seconds has not read yet what came.
 */
const SILENT_CHECKS = 5;
const CHECK_EVERY_MS = 500;
const ANSWER_MS = 2000;

/** `key`: in a Cluster the connection leads to the master that has it. Rejects when Redis cannot be reached in time. */
export async function openPushConnection(deps: PushConnectionDeps, key: string): Promise<PushConnection> {
	const opening = deps.redis.openSubscriber('pushes', key);
	try {
		return new PushConnection(deps, await withDeadline(opening, ANSWER_MS, 'connecting'));
	} catch (error) {
		// It may yet come up, and nobody would use it.
		opening.then(
			(late) => late.disconnect(),
			() => undefined,
		);
		throw error;
	}
}

export class PushConnection {
	readonly #deps: PushConnectionDeps;
	readonly #connection: SubscriberConnection;
	readonly #broken = new AbortController();
	readonly #fences = new Map<string, PromiseWithResolvers<void>>();
	readonly #timer: NodeJS.Timeout;
	#silentChecks = 0;

	constructor(deps: PushConnectionDeps, connection: SubscriberConnection) {
		this.#deps = deps;
		this.#connection = connection;
		connection.once('close', () => this.close());
		for (const event of ['message', 'smessage']) {
			connection.on(event, (channel: string, payload: string) => this.#onMessage(channel, payload));
		}
		// The slot has moved to another master.
		connection.on('sunsubscribe', (channel: string) => {
			if (channel === deps.ownChannel) {
				this.close();
			}
		});
		this.#timer = setInterval(() => this.#check(), CHECK_EVERY_MS);
		this.#timer.unref();
	}

	/** Aborts when nothing more will come: it was closed, by whichever side, or is of no use. */
	get broken(): AbortSignal {
		return this.#broken.signal;
	}

	close(): void {
		if (this.broken.aborted) {
			return;
		}
		clearInterval(this.#timer);
		this.#connection.removeAllListeners('message').removeAllListeners('smessage');
		this.#connection.disconnect();
		this.#broken.abort();
		for (const fence of this.#fences.values()) {
			fence.reject(new Error('the connection is broken'));
		}
	}

	async subscribe(channels: readonly string[]): Promise<void> {
		for (const some of inParts(channels)) {
			const done = this.#isSharded ? this.#connection.ssubscribe(...some) : this.#connection.subscribe(...some);
			await withDeadline(done, ANSWER_MS, 'subscribing');
		}
	}

	async unsubscribe(channels: readonly string[]): Promise<void> {
		for (const some of inParts(channels)) {
			await (this.#isSharded ? this.#connection.sunsubscribe(...some) : this.#connection.unsubscribe(...some));
		}
	}

	/** Runs `read`, which leaves the fence behind it, and resolves when that has come back, too. Rejects when the connection breaks, or in time. */
	async fenced<T>(read: (fence: Fence) => Promise<T>): Promise<T> {
		const text = randomUUID();
		const passed = Promise.withResolvers<void>();
		this.#fences.set(text, passed);
		const both = Promise.all([read({ channel: this.#deps.ownChannel, text }), passed.promise]);
		try {
			const [found] = await withDeadline(both, ANSWER_MS, 'receiving what was sent');
			return found;
		} finally {
			this.#fences.delete(text);
		}
	}

	get #isSharded(): boolean {
		return this.#deps.redis.commands.isCluster;
	}

	#check(): void {
		if (++this.#silentChecks > SILENT_CHECKS && this.#deps.redis.state() === 'ready') {
			this.close();
		}
	}

	#onMessage(channel: string, payload: string): void {
		this.#silentChecks = 0;
		if (channel !== this.#deps.ownChannel) {
			this.#deps.onMessage(channel, payload);
			return;
		}
		this.#deps.onFence();
		this.#fences.get(payload)?.resolve();
	}
}

function* inParts(channels: readonly string[]): Generator<readonly string[]> {
	for (let at = 0; at < channels.length; at += CHANNELS_AT_ONCE) {
		yield channels.slice(at, at + CHANNELS_AT_ONCE);
	}
}
