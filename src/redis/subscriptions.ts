/** Pub/sub: one connection and one listener for all channels of a worker. */
import { messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { RedisConnection, RedisHandle } from './client.ts';

export type ChannelListener = (payload: Buffer) => void;

export class Subscriptions implements Closable {
	readonly #connection: RedisConnection;
	readonly #listeners = new Map<string, ChannelListener>();
	readonly #log: Logger;
	readonly #metrics: Metrics;
	readonly #firstReady = Promise.withResolvers<void>();
	#isUp = false;

	constructor(redis: RedisHandle, log: Logger, metrics: Metrics) {
		this.#log = log;
		this.#metrics = metrics;
		this.#connection = redis.duplicate('subscriber');
		this.#connection.on('messageBuffer', (channel: Buffer, payload: Buffer) => {
			this.#listeners.get(channel.toString())?.(payload);
		});
		this.#connection.on('ready', () => {
			this.#isUp = true;
			void this.#subscribe([...this.#listeners.keys()]).then(() => this.#firstReady.resolve());
		});
		this.#connection.on('close', () => {
			this.#isUp = false;
		});
	}

	/** Resolves when the channels that were added before the first connection are subscribed. */
	whenReady(): Promise<void> {
		return this.#firstReady.promise;
	}

	/** A second listener for a channel replaces the first. Kept over reconnects. */
	add(channel: string, listener: ChannelListener): void {
		this.#listeners.set(channel, listener);
		if (this.#isUp) {
			void this.#subscribe([channel]);
		}
	}

	remove(channel: string): void {
		if (this.#listeners.delete(channel) && this.#isUp) {
			this.#connection.unsubscribe(channel).catch((error: unknown) => this.#onFailure(error));
		}
	}

	close(): void {
		this.#listeners.clear();
		this.#connection.disconnect();
	}

	async #subscribe(channels: readonly string[]): Promise<void> {
		if (channels.length === 0) {
			return;
		}
		try {
			await this.#connection.subscribe(...channels);
		} catch (error) {
			this.#onFailure(error);
		}
	}

	/** The connection is lost, and `ready` subscribes again; or an ACL forbids it, which the log must tell. */
	#onFailure(error: unknown): void {
		this.#metrics.inc('socketfleet_redis_errors_total', { reason: 'subscribe' }, 1);
		this.#log.warn({ err: messageOf(error) }, 'subscribing failed');
	}
}

/** How many connections listen on each channel, summed over the nodes of a Cluster; one moment for all channels of a node. */
export async function countSubscribers(connection: RedisConnection, channels: readonly string[]): Promise<ReadonlyMap<string, number>> {
	const nodes = 'nodes' in connection ? connection.nodes() : [connection];
	const replies = await Promise.all(nodes.map((node) => node.pubsub('NUMSUB', ...channels)));
	const counts = new Map<string, number>();
	for (const reply of replies) {
		// `[channel, count, channel, count, ...]`
		for (let i = 0; i + 1 < reply.length; i += 2) {
			const channel = String(reply[i]);
			counts.set(channel, (counts.get(channel) ?? 0) + Number(reply[i + 1]));
		}
	}
	return counts;
}
