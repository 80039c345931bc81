/** The Redis connection of an entry writer: never queues, never sends a command twice. */
import { type Cluster, Redis, type RedisOptions } from 'ioredis';
import { backoffMs } from '../base/backoff.ts';
import { AppError } from '../base/errors.ts';

/** A URL (`redis://`, `rediss://`), or a client whose settings are taken over for a connection of the writer's own. */
export type RedisSource = string | Redis | Cluster;
export type WriterClient = Redis | Cluster;

/** Without an answer for this long the connection is taken for dead and made anew. */
const SILENT_SOCKET_MS = 10_000;

const CONNECTION_OPTIONS = {
	connectionName: 'socketfleet-emitter',
	replyMapping: 'legacy',
	keyPrefix: '',
	lazyConnect: false,
	// A lost answer says nothing about the write; sent again, the message would be there twice.
	autoResendUnfulfilledCommands: false,
	// What was sent is rejected as soon as its connection is lost; ioredis would else forget it, and it would never settle.
	maxRetriesPerRequest: 0,
	socketTimeout: SILENT_SOCKET_MS,
} as const satisfies RedisOptions;

const STANDALONE_OPTIONS = {
	...CONNECTION_OPTIONS,
	// What is written is decided by the writer: a command that waits here could still be sent after its caller was told that it failed.
	enableOfflineQueue: false,
	retryStrategy: (attempt: number) => backoffMs(attempt - 1, { minMs: 50, maxMs: 2000 }),
	// After a failover the old primary answers READONLY: find the new one.
	reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
} as const satisfies RedisOptions;

/** Opens the connection; it keeps trying until it is closed. Throws ERR_USAGE for a URL that is none. */
export function openWriterClient(source: RedisSource): WriterClient {
	if (typeof source === 'string') {
		if (!/^rediss?:\/\/\S+$/.test(source)) {
			throw new AppError('ERR_USAGE', 'the Redis URL must begin with redis:// or rediss://');
		}
		return new Redis(source, STANDALONE_OPTIONS);
	}
	if (isClusterSource(source)) {
		return source.duplicate([], {
			enableOfflineQueue: false,
			lazyConnect: false,
			keyPrefix: '',
			// 0: a command that was lost with its connection is not sent again.
			retryDelayOnFailover: 0,
			redisOptions: { ...source.options.redisOptions, ...CONNECTION_OPTIONS },
		});
	}
	return source.duplicate(STANDALONE_OPTIONS);
}

/** Not `instanceof`: the caller's client may come from another copy of ioredis. */
export function isClusterSource(source: RedisSource): source is Cluster {
	return typeof source !== 'string' && source.isCluster;
}
