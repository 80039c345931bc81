/** What went wrong with Redis -> a reason to count by, and a sentence that says what to do. Pure. */
import { messageOf, systemCodeOf } from '../base/errors.ts';

export interface RedisProblem {
	readonly reason: 'refused' | 'unreachable' | 'auth' | 'read-only' | 'out-of-memory' | 'wrong-type' | 'loading' | 'timeout' | 'other';
	readonly sentence: string;
}

/** By what the message starts with or holds; the first row that fits. */
const ROWS: readonly (readonly [RegExp, RedisProblem['reason'], (where: string) => string])[] = [
	[
		/WRONGPASS|NOAUTH|invalid (username|password)/i,
		'auth',
		(where) => `Redis at ${where} refuses the user or password: check redisUsername and redisPassword`,
	],
	[
		/^NOTROUTED/,
		'auth',
		(where) =>
			`Redis at ${where} takes messages and does not pass them on: this user lacks the channels of the fleet, see the ACL in docs/operations/redis.md`,
	],
	[/NOPERM/, 'auth', (where) => `Redis at ${where}: this user lacks a permission, see the ACL in docs/operations/redis.md`],
	[/READONLY/, 'read-only', (where) => `Redis at ${where} is a read-only replica: point redisUrl at the master, or use redisMode sentinel`],
	[
		/^OOM|used memory > 'maxmemory'/,
		'out-of-memory',
		(where) => `Redis at ${where} is out of memory: raise maxmemory, or lower recoveryWindowMs or streamMaxEntries`,
	],
	[/WRONGTYPE/, 'wrong-type', (where) => `Redis at ${where}: a key of this fleet holds something else; another program uses the prefix`],
	[/LOADING/, 'loading', (where) => `Redis at ${where} is loading its data from disk`],
	[/ECONNREFUSED/, 'refused', (where) => `nothing listens for Redis at ${where}`],
	[/ENOTFOUND|EAI_AGAIN/, 'unreachable', (where) => `the name in ${where} cannot be resolved: check redisUrl`],
	[/ETIMEDOUT|timed out|timeout/i, 'timeout', (where) => `Redis at ${where} does not answer in time`],
	[
		/EHOSTUNREACH|ENETUNREACH|ECONNRESET|EPIPE|Connection is closed|isn't writeable/,
		'unreachable',
		(where) => `Redis at ${where} cannot be reached`,
	],
	[/sentinel/i, 'unreachable', (where) => `no Sentinel at ${where} knows the master: check redisUrl and redisSentinelName`],
	[/cluster/i, 'unreachable', (where) => `no node of the Redis Cluster at ${where} answers`],
];

export function describeRedisError(error: unknown, where: string): RedisProblem {
	const text = `${systemCodeOf(error) ?? ''} ${messageOf(error)}`.trim();
	for (const [pattern, reason, sentence] of ROWS) {
		if (pattern.test(text)) {
			return { reason, sentence: sentence(where) };
		}
	}
	return { reason: 'other', sentence: `Redis at ${where}: ${text}` };
}

const MIN_VERSION = [6, 2] as const;

/** `info` is the answer to `INFO server`. XADD with MINID and XRANGE with exclusive bounds came with 6.2. */
export function findVersionProblem(info: string): string | undefined {
	const found = /redis_version:(\d+)\.(\d+)/.exec(info);
	if (found === null) {
		return undefined;
	}
	const [major, minor] = [Number(found[1]), Number(found[2])];
	const isOld = major < MIN_VERSION[0] || (major === MIN_VERSION[0] && minor < MIN_VERSION[1]);
	return isOld ? `Redis is version ${major}.${minor}; Socketfleet needs ${MIN_VERSION.join('.')} or newer` : undefined;
}
