/** Names of everything a fleet keeps in Redis. One place, so that adapter, emitter and tools agree. */
import type { Config } from '../config/schema.ts';

export interface RedisKeys {
	readonly prefix: string;
	/** The stream that the official adapter is told as `streamName`. */
	readonly stream: string;
	/** `channelPrefix` of the official adapter: requests between servers, by pub/sub. */
	readonly channels: string;
	/** Pub/sub channel on which workers say that they live. */
	readonly members: string;
	/** Hash of where the stream begins and ends, see tick-script.ts. */
	readonly bounds: string;
	/** Counts rewinds of the stream: what a session was saved under must still be the present. */
	readonly epoch: string;
	session(pid: string): string;
	/** Highest sequence of a publisher that is in the stream. */
	publisher(id: string): string;
	/** Pub/sub channel that one worker listens on for requests about sessions it owns. */
	control(worker: string): string;
	/** Hash of pod id -> record, see directory.ts. */
	readonly pods: string;
	/** How messages reach the workers, see directory.ts. */
	readonly delivery: string;
}

/**
 * In a Redis Cluster the prefix is a hash tag: the scripts touch stream, publisher and sessions in one step, which needs one slot.
 */
export function keyPrefixOf(config: Pick<Config, 'fleet' | 'redisMode'>): string {
	const prefix = `socketfleet:${config.fleet}`;
	return config.redisMode === 'cluster' ? `{${prefix}}` : prefix;
}

export function redisKeysOf(config: Pick<Config, 'fleet' | 'redisMode'>): RedisKeys {
	const prefix = keyPrefixOf(config);
	return {
		prefix,
		stream: `${prefix}:stream`,
		channels: `${prefix}:channel`,
		members: `${prefix}:members`,
		bounds: `${prefix}:bounds`,
		epoch: `${prefix}:epoch`,
		session: (pid) => `${prefix}:session:${pid}`,
		publisher: (id) => `${prefix}:publisher:${id}`,
		control: (worker) => `${prefix}:control:${worker}`,
		pods: `${prefix}:pods`,
		delivery: `${prefix}:delivery`,
	};
}
