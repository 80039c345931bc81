/**
 * Sessions of clients in Redis: a hash of owner `o`, epoch `e` and record for each. Only the owner writes or deletes; whoever the
 * client comes back to claims it. The epoch tells apart what was saved before the stream was set back.
 *
 * Redis keeps a small hash in one piece as long as no value is longer than 64 bytes, in little more than half the memory: a record goes in
 * pieces of that size, `0`, `1` and so on. One that is long, or is to be read by the version before, is in `v` as text.
 */
import type { RedisHandle } from '../../redis/client.ts';
import type { RedisKeys } from '../../redis/keys.ts';
import { createScript, type ScriptArgument } from '../../redis/script.ts';
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

/** The default of `hash-max-listpack-value`. */
const PIECE_BYTES = 64;
const MAX_PIECES = 16;

/** KEYS: epoch, sessions. ARGV: owner, expected epoch, then `kind field record ttl` per session; a record without a field goes in pieces. */
const WRITE = createScript(`${EPOCH_FUNCTION}
local epoch = readEpoch(KEYS[1])
local answer = { epoch }
if epoch ~= ARGV[2] then return answer end
for i = 2, #KEYS do
	local at = 3 + (i - 2) * 4
	local kind, field, record, ttl = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
	local owner = redis.call('HGET', KEYS[i], 'o')
	if owner and owner ~= ARGV[1] then
		answer[i] = 0
	else
		if owner then redis.call('DEL', KEYS[i]) end
		if kind ~= 'remove' then
			local values = { 'o', kind == 'save' and ARGV[1] or '', 'e', epoch }
			if field ~= '' then
				values[5], values[6] = field, record
			else
				for first = 1, #record, ${PIECE_BYTES} do
					values[#values + 1] = (first - 1) / ${PIECE_BYTES}
					values[#values + 1] = string.sub(record, first, first + ${PIECE_BYTES - 1})
				end
			end
			redis.call('HSET', KEYS[i], unpack(values))
			redis.call('PEXPIRE', KEYS[i], ttl)
		end
		answer[i] = 1
	end
end
return answer
`);

/** KEYS: epoch, session. ARGV: new owner, force, ttl. */
const CLAIM = createScript(`${EPOCH_FUNCTION}
local found = redis.call('HMGET', KEYS[2], 'o', 'e', 'v', ${Array.from({ length: MAX_PIECES }, (_, piece) => `'${piece}'`).join(', ')})
if not (found[3] or found[4]) then return {} end
if found[1] ~= '' and found[1] ~= ARGV[1] and ARGV[2] ~= '1' then return { found[1] } end
redis.call('HSET', KEYS[2], 'o', ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local pieces = {}
while found[4 + #pieces] do pieces[#pieces + 1] = found[4 + #pieces] end
return { found[1], found[2], found[3] or '', table.concat(pieces), readEpoch(KEYS[1]) }
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

/**
 * `owner` names this worker: whatever it saves is its own until another one claims it. `isCompact`: every worker of the fleet can read records
 * in pieces, which those of the version before can not.
 */
export function createSessionStore(redis: RedisHandle, keys: RedisKeys, owner: string, isCompact: () => boolean): SessionStore {
	return {
		async write(writes, epoch) {
			const args: ScriptArgument[] = [owner, epoch];
			for (const write of writes) {
				if (write.kind === 'remove') {
					args.push(write.kind, '', '', 0);
				} else {
					args.push(write.kind, ...fieldOf(write.record, isCompact()), write.ttlMs);
				}
			}
			const answer = await WRITE.run(redis.commands, [keys.epoch, ...writes.map(({ pid }) => keys.session(pid))], args);
			const [found, ...results] = Array.isArray(answer) ? answer : [];
			return { epoch: String(found), results: results.map((result) => (result === 1 ? 'ok' : 'not-owner')) };
		},
		async claim(pid, force, ttlMs) {
			const keysOfClaim = [keys.epoch, keys.session(pid)];
			const answer = await CLAIM.runForBuffers(redis.commands, keysOfClaim, [owner, force ? '1' : '0', ttlMs]);
			const [previous, savedInEpoch, whole, pieces, epoch] = Array.isArray(answer) ? answer.map(toBuffer) : [];
			if (previous === undefined) {
				return { kind: 'none' };
			}
			if (!savedInEpoch || !whole || !pieces || !epoch) {
				return { kind: 'owned', owner: String(previous) };
			}
			const record = whole.length > 0 ? String(whole) : pieces.toString('base64');
			return { kind: 'claimed', savedInEpoch: String(savedInEpoch), record, epoch: String(epoch) };
		},
		readEpoch: async () => String(await READ_EPOCH.run(redis.commands, [keys.epoch], [])),
		endEpoch: async (seen) => String(await END_EPOCH.run(redis.commands, [keys.epoch], [seen])),
	};
}

function fieldOf(record: string, isCompact: boolean): [field: 'v', record: string] | [field: '', record: Buffer] {
	const bytes = Buffer.from(record, 'base64');
	return isCompact && bytes.length <= PIECE_BYTES * MAX_PIECES ? ['', bytes] : ['v', record];
}

function toBuffer(value: unknown): Buffer {
	return Buffer.isBuffer(value) ? value : Buffer.from(String(value));
}
