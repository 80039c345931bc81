/** Config -> the Socket.IO adapter of a worker: over Redis Streams, or over the bus of the pod when there is no Redis. */
import { createAdapter } from '@socket.io/redis-streams-adapter';
import type { Namespace, Server, ServerOptions } from 'socket.io';
import type { Adapter } from 'socket.io-adapter';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Bus } from '../ipc/bus.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { RedisHandle } from '../redis/client.ts';
import { redisKeysOf } from '../redis/keys.ts';
import { createInPodHub } from './in-pod.ts';

export interface FleetAdapterDeps {
	readonly config: Config;
	/** Undefined: one pod without Redis. */
	readonly redis: RedisHandle | undefined;
	readonly bus: Bus;
	readonly metrics: Metrics;
	readonly log: Logger;
	readonly owner: { readonly pod: string; readonly slot: number };
}

export interface FleetAdapter extends Closable {
	/** For `new Server({ adapter })`. */
	readonly adapter: (nsp: Namespace) => Adapter;
	/** Hooks that need the server; call it once, before the application sets up its namespaces. */
	attach(io: Server): void;
	/** Resolves when messages flow, or when Redis is found away (degraded). */
	start(): Promise<void>;
	/** Sentences for `/readyz`; empty when all is well. */
	reasons(): readonly string[];
}

/** What `new Server()` must be told beside the adapter. Without Redis there is no recovery: the handshake must not promise it. */
export function buildRecoveryOptions(config: Config): Pick<ServerOptions, 'connectionStateRecovery'> | Record<string, never> {
	if (config.redisUrl === '' || !config.recovery) {
		return {};
	}
	return {
		connectionStateRecovery: {
			maxDisconnectionDuration: config.recoveryWindowMs,
			// A token may have expired, or its user been banned, while the client was away.
			skipMiddlewares: false,
		},
	};
}

export function createFleetAdapter(deps: FleetAdapterDeps): FleetAdapter {
	return deps.redis === undefined ? createInPodAdapter(deps) : createStreamAdapter(deps, deps.redis);
}

function createInPodAdapter({ bus, log }: FleetAdapterDeps): FleetAdapter {
	const hub = createInPodHub(bus, log);
	return {
		adapter: (nsp) => hub.create(nsp),
		attach: () => undefined,
		start: () => Promise.resolve(),
		reasons: () => [],
		close: () => hub.close(),
	};
}

const START_TIMEOUT_MS = 5000;

function createStreamAdapter({ config }: FleetAdapterDeps, redis: RedisHandle): FleetAdapter {
	const keys = redisKeysOf(config);
	const adapter = createAdapter(
		{
			options: {},
			duplicate: () => redis.duplicate('stream', { queue: true, commandTimeoutMs: 60_000 }),
			xadd: redis.commands.xadd.bind(redis.commands),
			xrange: redis.commands.xrange.bind(redis.commands),
			set: redis.commands.set.bind(redis.commands),
			multi: redis.commands.multi.bind(redis.commands),
			publish: redis.commands.publish.bind(redis.commands),
			send_command: redis.commands.call.bind(redis.commands),
		},
		{ streamName: keys.stream, channelPrefix: keys.channels, sessionKeyPrefix: `${keys.prefix}:session:` },
	);
	return {
		adapter,
		attach: () => undefined,
		start: () =>
			new Promise((resolve) => {
				if (redis.state() === 'ready') {
					resolve();
					return;
				}
				const timer = setTimeout(resolve, START_TIMEOUT_MS);
				redis.onState((state) => {
					if (state === 'ready') {
						clearTimeout(timer);
						resolve();
					}
				});
			}),
		reasons: () => [redis.problem()].filter((problem) => problem !== undefined),
		close: () => undefined,
	};
}
