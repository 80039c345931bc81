/**
 * Sessions of clients in Redis: a hash of owner `o`, epoch `e` and record `v` for each. Only the owner writes or deletes; whoever the
 * client comes back to claims it. The epoch tells apart what was saved before the stream was set back.
 */
import type { RedisHandle } from '../../redis/client.ts';
import type { RedisKeys } from '../../redis/keys.ts';
import { createScript } from '../../redis/script.ts';
import { EPOCH_FUNCTION } from '../../stream/epoch-script.ts';

export type SessionWrite =
	| { readonly kind: 'save'; readonly pid: string; readonly record: string; readonly ttlMs: number }
	/** The client has gone and may come back: saved for the last time, owned by nobody. */
	| { readonly kind: 'release'; readonly pid: string; readonly record: string; readonly ttlMs: number }
	| { readonly kind: 'remove'; readonly pid: string };

/** `not-owner`: another worker has claimed it, or it was released: the socket here is a leftover. */
export type WriteResult = 'ok' | 'not-owner';

export type ClaimResult =
	| { readonly kind: 'claimed'; readonly record: string; readonly epoch: string; readonly savedInEpoch: string }
	| { readonly kind: 'owned'; readonly owner: string }
	| { readonly kind: 'none' };

export interface SessionStore {
	/** All at once. `epoch` differs from the given one when the stream was set back: nothing has been written then. */
	write(writes: readonly SessionWrite[], epoch: string): Promise<{ readonly epoch: string; readonly results: readonly WriteResult[] }>;
	/** `force`: the owner is known to be gone, or has let go. */
	claim(pid: string, force: boolean, ttlMs: number): Promise<ClaimResult>;
	readEpoch(): Promise<string>;
	/** Begins another epoch unless someone else has done so since `seen`; gives the present one. */
	endEpoch(seen: string): Promise<string>;
}

/** KEYS: epoch, sessions. ARGV: owner, expected epoch, then `kind record ttl` per session. */
const WRITE = createScript(`${EPOCH_FUNCTION}
local epoch = readEpoch(KEYS[1])
local answer = { epoch }
if epoch ~= ARGV[2] then return answer end
for i = 2, #KEYS do
	local at = 3 + (i - 2) * 3
	local kind, record, ttl = ARGV[at], ARGV[at + 1], ARGV[at + 2]
	local owner = redis.call('HGET', KEYS[i], 'o')
	if owner and owner ~= ARGV[1] then
		answer[i] = 0
	else
		if kind == 'remove' then
			redis.call('DEL', KEYS[i])
		else
			redis.call('HSET', KEYS[i], 'o', kind == 'save' and ARGV[1] or '', 'e', epoch, 'v', record)
			redis.call('PEXPIRE', KEYS[i], ttl)
		end
		answer[i] = 1
	end
end
return answer
`);

/** KEYS: epoch, session. ARGV: new owner, force, ttl. */
const CLAIM = createScript(`${EPOCH_FUNCTION}
local found = redis.call('HMGET', KEYS[2], 'o', 'e', 'v')
if not found[3] then return {} end
if found[1] ~= '' and found[1] ~= ARGV[1] and ARGV[2] ~= '1' then return { found[1] } end
redis.call('HSET', KEYS[2], 'o', ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return { found[1], found[2], found[3], readEpoch(KEYS[1]) }
`);

const READ_EPOCH = createScript(`${EPOCH_FUNCTION}
return readEpoch(KEYS[1])
`);

/** KEYS: epoch. ARGV: the one that ends. */
const END_EPOCH = createScript(`
local time = redis.call('TIME')
local now = time[1] .. '.' .. time[2]
local epoch = redis.call('GET', KEYS[1])
if epoch and epoch ~= ARGV[1] then return epoch end
redis.call('SET', KEYS[1], now)
return now
`);

/** `owner` names this worker: whatever it saves is its own until another one claims it. */
export function createSessionStore(redis: RedisHandle, keys: RedisKeys, owner: string): SessionStore {
	return {
		async write(writes, epoch) {
			const args: (string | number)[] = [owner, epoch];
			for (const write of writes) {
				args.push(write.kind, write.kind === 'remove' ? '' : write.record, write.kind === 'remove' ? 0 : write.ttlMs);
			}
			const answer = await WRITE.run(redis.commands, [keys.epoch, ...writes.map(({ pid }) => keys.session(pid))], args);
			const [found, ...results] = Array.isArray(answer) ? answer : [];
			return { epoch: String(found), results: results.map((result) => (result === 1 ? 'ok' : 'not-owner')) };
		},
		async claim(pid, force, ttlMs) {
			const answer = await CLAIM.run(redis.commands, [keys.epoch, keys.session(pid)], [owner, force ? '1' : '0', ttlMs]);
			if (!Array.isArray(answer) || answer.length === 0) {
				return { kind: 'none' };
			}
			return answer.length === 1
				? { kind: 'owned', owner: String(answer[0]) }
				: { kind: 'claimed', savedInEpoch: String(answer[1]), record: String(answer[2]), epoch: String(answer[3]) };
		},
		readEpoch: async () => String(await READ_EPOCH.run(redis.commands, [keys.epoch], [])),
		endEpoch: async (seen) => String(await END_EPOCH.run(redis.commands, [keys.epoch], [seen])),
	};
}
