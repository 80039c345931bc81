/** Writes whatever fields to a fleet's log, refers to it in the index and pushes it, as the scripts do with what makes sense. */
import type { ChainableCommander, Redis } from 'ioredis';
import { channelOf, indexOf } from '../../src/stream/route.ts';

export interface WrittenEntry {
	readonly fields: readonly string[];
	/** Undefined: everyone in the namespace. */
	readonly room?: string;
	readonly maxLen?: number;
}

/** KEYS: log, index. ARGV: length cap, channel, room, fields. In one step for Redis: no tick comes in between. */
const WRITE = `
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 4))
local fields = {}
for i = 4, #ARGV, 2 do fields[ARGV[i]] = ARGV[i + 1] end
redis.call('XADD', KEYS[2], id, '/', ARGV[3])
local parts = { id, fields.uid or '', fields.type or '', fields.pub or '', fields.nsp or '', fields.data or '' }
redis.call('PUBLISH', ARGV[2], table.concat(parts, '\\0'))
return id
`;

/** Queues it in `commands`, a pipeline or a transaction. */
export function addEntry<T extends Redis | ChainableCommander>(
	commands: T,
	stream: string,
	{ fields, room, maxLen = 1_000_000 }: WrittenEntry,
): ReturnType<T['eval']> {
	const args = [maxLen, channelOf(stream, '/', room), room ?? '', ...fields];
	return commands.eval(WRITE, 2, stream, indexOf(stream, '/', room), ...args) as ReturnType<T['eval']>;
}
