/** Connections to Redis: a server, Sentinels or a Cluster. Never queues for ever, never throws out of an event. */
import { EventEmitter } from 'node:events';
import { Cluster, Redis } from 'ioredis';
import { backoffMs } from '../base/backoff.ts';
import { messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Metrics } from '../metrics/registry.ts';
import { keyPrefixOf } from './keys.ts';
import { buildConnectionOptions, type ConnectionOptions, parseRedisTarget, type RedisAddress, type RedisTarget } from './options.ts';
import { describeRedisError, findVersionProblem } from './problems.ts';

export type RedisConnection = Redis | Cluster;
/** A connection to one server. */
export type SubscriberConnection = Redis;
export type RedisState = 'ready' | 'away';

export interface RedisHandle extends Closable {
	/** Commands reject at once while Redis is away, and after 5 s when it does not answer. */
	readonly commands: RedisConnection;
	/** A connection of its own, for a blocking read or for subscriptions (`queue`: commands wait until it is up). */
	duplicate(role: string, options?: { readonly queue?: boolean; readonly commandTimeoutMs?: number }): RedisConnection;
	/**
	 * A connection for subscriptions that is not repaired when it breaks: who uses it must know. In a Cluster it leads to the master that has
	 * `key`. Rejects when it cannot be had; ends with `close`.
	 */
	openSubscriber(role: string, key: string): Promise<SubscriberConnection>;
	/** `socketfleet:<fleet>` */
	readonly keyPrefix: string;
	state(): RedisState;
	/** Called on each change of `state()`. */
	onState(listener: (state: RedisState) => void): void;
	/** Why Redis is of no use right now, as a sentence; undefined when it is. */
	problem(): string | undefined;
}

/** Connects in the background: returns at once, `state()` is `away` until Redis has answered. Throws ERR_CONFIG. */
export function createRedis(config: Config, log: Logger, metrics?: Metrics): RedisHandle {
	const target = parseRedisTarget(config);
	const owned = new Set<RedisConnection>();
	const monitor = new StateMonitor(config, log, metrics);

	const open = (role: string, queue: boolean, commandTimeoutMs?: number): RedisConnection => {
		const connection = openConnection(config, target, role, queue, commandTimeoutMs);
		owned.add(connection);
		connection.once('end', () => owned.delete(connection));
		// An 'error' event without a listener would end the process.
		connection.on('error', (error: unknown) => monitor.onError(role, error));
		return connection;
	};
	const commands = open('commands', false);
	monitor.watch(commands);

	return {
		commands,
		keyPrefix: keyPrefixOf(config),
		duplicate: (role, options = {}) => open(role, options.queue ?? false, options.commandTimeoutMs),
		async openSubscriber(role, key) {
			const connection = createSubscriber(config, target, role, config.redisMode === 'cluster' ? await masterOf(commands, key) : undefined);
			owned.add(connection);
			connection.once('end', () => owned.delete(connection));
			connection.on('error', (error: unknown) => monitor.onError(role, error));
			await connection.connect();
			return connection;
		},
		state: () => monitor.state,
		onState: (listener) => monitor.onState(listener),
		problem: () => monitor.problem,
		close() {
			monitor.close();
			for (const connection of owned) {
				connection.disconnect();
			}
			owned.clear();
		},
	};
}

function openConnection(config: Config, target: RedisTarget, role: string, queue: boolean, commandTimeoutMs?: number): RedisConnection {
	const options = {
		...buildConnectionOptions(config, target, role),
		enableOfflineQueue: queue,
		...(queue ? { maxRetriesPerRequest: null } : {}),
		...(commandTimeoutMs === undefined ? {} : { commandTimeout: commandTimeoutMs }),
	};
	switch (config.redisMode) {
		case 'cluster':
			return new Cluster([...target.addresses], {
				redisOptions: options,
				enableOfflineQueue: queue,
				clusterRetryStrategy: (attempt) => backoffMs(attempt - 1, { minMs: 100, maxMs: 2000 }),
			});
		case 'sentinel':
			return new Redis({ ...options, ...sentinelOptions(config, target, options.tls) });
		case 'standalone':
			return new Redis({ ...options, ...target.addresses[0] });
	}
}

function sentinelOptions(config: Config, target: RedisTarget, tls: ConnectionOptions['tls']): ConnectionOptions {
	return {
		sentinels: [...target.addresses],
		name: config.redisSentinelName,
		sentinelRetryStrategy: (attempt) => backoffMs(attempt - 1, { minMs: 100, maxMs: 2000 }),
		...(target.tls && tls ? { sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
	};
}

function createSubscriber(config: Config, target: RedisTarget, role: string, node: RedisAddress | undefined): Redis {
	const options = {
		...buildConnectionOptions(config, target, role),
		lazyConnect: true,
		autoResubscribe: false,
		retryStrategy: () => null,
	};
	if (config.redisMode !== 'sentinel') {
		return new Redis({ ...options, ...(node ?? target.addresses[0]) });
	}
	return new Redis({ ...options, ...sentinelOptions(config, target, options.tls) });
}

/** Where the slot of `key` lives now. */
async function masterOf(commands: RedisConnection, key: string): Promise<RedisAddress> {
	const slot = Number(await commands.cluster('KEYSLOT', key));
	const found = (await commands.cluster('SLOTS')).find(([first, last]) => first <= slot && slot <= last);
	const master: unknown = found?.[2];
	if (!Array.isArray(master)) {
		throw new Error(`no node of the Redis Cluster has the slot ${slot}`);
	}
	return { host: String(master[0]), port: Number(master[1]) };
}

/** Watches one connection; tells the log and the metrics about each change once, in a sentence. */
class StateMonitor {
	readonly #events = new EventEmitter();
	readonly #log: Logger;
	readonly #metrics: Metrics | undefined;
	readonly #where: string;
	#state: RedisState = 'away';
	#problem: string | undefined;
	#tooOld: string | undefined;
	#closed = false;

	constructor(config: Config, log: Logger, metrics: Metrics | undefined) {
		this.#log = log;
		this.#metrics = metrics;
		this.#problem = 'Redis has not answered yet';
		this.#where = parseRedisTarget(config)
			.addresses.map(({ host, port }) => `${host}:${port}`)
			.join(', ');
		metrics?.set('socketfleet_redis_up', {}, 0);
	}

	get state(): RedisState {
		return this.#state;
	}

	get problem(): string | undefined {
		return this.#problem;
	}

	onState(listener: (state: RedisState) => void): void {
		this.#events.on('state', listener);
	}

	watch(connection: RedisConnection): void {
		connection.on('ready', () => {
			void this.#onReady(connection);
		});
		connection.on('close', () => this.#onAway(this.#problem ?? `Redis at ${this.#where} closed the connection`));
	}

	onError(role: string, error: unknown): void {
		if (this.#closed) {
			return;
		}
		const { reason, sentence } = describeRedisError(error, this.#where);
		this.#metrics?.inc('socketfleet_redis_errors_total', { reason }, 1);
		this.#log.debug({ role, err: messageOf(error) }, 'redis connection error');
		if (role === 'commands') {
			this.#onAway(sentence);
		}
	}

	close(): void {
		this.#closed = true;
		this.#events.removeAllListeners();
	}

	async #onReady(connection: RedisConnection): Promise<void> {
		// A version cannot change while the connection lasts, but a failover can bring another server.
		this.#tooOld = await readVersionProblem(connection);
		if (this.#closed || connection.status !== 'ready') {
			return;
		}
		if (this.#tooOld !== undefined) {
			this.#onAway(this.#tooOld);
			return;
		}
		this.#problem = undefined;
		this.#change('ready', `Redis at ${this.#where} answers`);
	}

	#onAway(sentence: string): void {
		if (this.#closed) {
			return;
		}
		const isNews = this.#problem !== sentence;
		this.#problem = sentence;
		if (this.#state === 'ready') {
			this.#change('away', sentence);
		} else if (isNews) {
			this.#log.warn({ state: 'away' }, sentence);
		}
	}

	#change(state: RedisState, sentence: string): void {
		if (this.#state === state) {
			return;
		}
		this.#state = state;
		this.#metrics?.set('socketfleet_redis_up', {}, state === 'ready' ? 1 : 0);
		this.#log[state === 'ready' ? 'info' : 'warn']({ state }, sentence);
		this.#events.emit('state', state);
	}
}

async function readVersionProblem(connection: RedisConnection): Promise<string | undefined> {
	try {
		return findVersionProblem(await connection.info('server'));
	} catch (error) {
		// An ACL may forbid INFO; the first command that is too new will say so then.
		return messageOf(error).includes('NOPERM') ? undefined : describeRedisError(error, 'the configured address').sentence;
	}
}
