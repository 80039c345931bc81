/** Config -> what ioredis is told. Pure but for the CA file. */
import { readFileSync } from 'node:fs';
import type { RedisOptions } from 'ioredis';
import { backoffMs } from '../base/backoff.ts';
import { AppError, messageOf } from '../base/errors.ts';
import type { Config } from '../config/schema.ts';

export interface RedisAddress {
	readonly host: string;
	readonly port: number;
}

/** Replies keep their classic shape: nothing here may ask ioredis for another mapping. */
export type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>;

export interface RedisTarget {
	readonly addresses: readonly RedisAddress[];
	readonly tls: boolean;
	readonly username: string;
	readonly password: string;
	readonly db: number;
}

const DEFAULT_PORTS = { standalone: 6379, cluster: 6379, sentinel: 26_379 } as const;
const CONNECT_TIMEOUT_MS = 3000;
const COMMAND_TIMEOUT_MS = 5000;

/** Addresses and credentials of `redisUrl`; what stands in its own option wins. Throws ERR_CONFIG. */
export function parseRedisTarget(config: Config): RedisTarget {
	const urls = config.redisUrl.split(',').map((part) => {
		const text = part.includes('://') ? part : `redis://${part}`;
		if (!URL.canParse(text)) {
			throw new AppError('ERR_CONFIG', 'redisUrl: an address in it is not a URL; write redis://user:password@host:port/db');
		}
		return new URL(text);
	});
	const first = urls[0];
	if (first === undefined) {
		throw new AppError('ERR_CONFIG', 'redisUrl is empty');
	}
	const db = first.pathname.length > 1 ? Number(first.pathname.slice(1)) : 0;
	if (!Number.isInteger(db) || db < 0) {
		throw new AppError('ERR_CONFIG', 'redisUrl: the part after the port must be the number of a database, as in redis://host:6379/0');
	}
	return {
		addresses: urls.map((url) => ({
			host: url.hostname.replace(/^\[|\]$/g, ''),
			port: url.port === '' ? DEFAULT_PORTS[config.redisMode] : Number(url.port),
		})),
		tls: config.redisUrl.startsWith('rediss://'),
		username: config.redisUsername || decodeURIComponent(first.username),
		password: config.redisPassword || decodeURIComponent(first.password),
		db,
	};
}

/** Options common to every connection: bounded in time, and nothing queues for a Redis that is away. */
export function buildConnectionOptions(config: Config, target: RedisTarget, role: string): ConnectionOptions {
	return {
		connectionName: `socketfleet-${config.fleet}-${role}`,
		...(target.username === '' ? {} : { username: target.username }),
		...(target.password === '' ? {} : { password: target.password }),
		...(target.tls ? { tls: buildTls(config) } : {}),
		db: target.db,
		// RESP2 is what every server and every managed service speaks; nothing here needs RESP3.
		protocol: 2,
		connectTimeout: CONNECT_TIMEOUT_MS,
		commandTimeout: COMMAND_TIMEOUT_MS,
		enableOfflineQueue: false,
		// A lost connection rejects what was in flight; who sent it knows whether repeating is safe.
		maxRetriesPerRequest: 0,
		// ioredis awaits its own attempt nowhere: one that is refused, or cut off again, would end the process. See Subscriptions.
		autoResubscribe: false,
		retryStrategy: (attempt) => backoffMs(attempt - 1, { minMs: 50, maxMs: 2000 }),
		// After a failover the old master is a replica and refuses writes: look for the new one.
		reconnectOnError: (error) => error.message.startsWith('READONLY'),
	};
}

function buildTls(config: Config): NonNullable<RedisOptions['tls']> {
	if (config.redisTlsCaFile === '') {
		return {};
	}
	try {
		return { ca: readFileSync(config.redisTlsCaFile) };
	} catch (error) {
		throw new AppError('ERR_CONFIG', `redisTlsCaFile: ${messageOf(error)}`, { cause: error });
	}
}
