/**
 * What the official adapter is given in place of an ioredis client: the few methods that it calls, none of which can reject at
 * once in a loop, reject unhandled, or wait for ever. Its wire format stays; reading, publishing and subscribing are ours.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { RedisHandle } from '../redis/client.ts';
import type { ChannelListener, Subscriptions } from '../redis/subscriptions.ts';

export interface StreamPort {
	/** Read by the official adapter: nothing to connect. */
	readonly options: Readonly<Record<string, never>>;
	duplicate(): StreamPort;
	on(event: string, listener: (channel: Buffer, payload: Buffer) => void): void;
	/** Never resolves: entries reach the adapter's instances in order and one by one, not in the official loop. */
	xread(): Promise<never>;
	subscribe(channels: readonly string[]): void;
	publish(channel: string, payload: Buffer): Promise<number>;
	disconnect(): void;
}

export interface StreamPortDeps {
	readonly redis: RedisHandle;
	readonly subscriptions: Subscriptions;
	readonly metrics: Metrics;
	readonly log: Logger;
}

export function createStreamPort(deps: StreamPortDeps): StreamPort {
	let latest: readonly string[] = [];
	const port: StreamPort = {
		options: {},
		duplicate: () => port,
		on(event, listener) {
			// The official adapter subscribes to the two channels of a namespace and adds its listener in the same step.
			if (event === 'messageBuffer') {
				for (const channel of latest) {
					deps.subscriptions.add(channel, toChannelListener(channel, listener));
				}
			}
		},
		subscribe(channels) {
			latest = channels;
		},
		xread: () => new Promise<never>(() => undefined),
		async publish(channel, payload) {
			try {
				return await deps.redis.commands.publish(channel, payload);
			} catch (error) {
				// Nobody awaits it: a rejection would end the process. The request behind it runs into its deadline.
				deps.metrics.inc('socketfleet_redis_errors_total', { reason: 'pubsub' }, 1);
				deps.log.debug({ err: messageOf(error), channel }, 'a request to the other servers could not be sent');
				return 0;
			}
		},
		disconnect: () => undefined,
	};
	return port;
}

function toChannelListener(channel: string, listener: (channel: Buffer, payload: Buffer) => void): ChannelListener {
	const name = Buffer.from(channel);
	return (payload) => listener(name, payload);
}
