/** The Lua script that appends entries from outside: groups written whole or not at all, an idempotency key written once. */
import { EPOCH_FUNCTION } from './epoch-script.ts';
import { PAYLOAD_FUNCTION, ROUTE_FUNCTION } from './route-script.ts';

/**
 * One call carries groups of entries; a group is one caller's batch.
 *
 * KEYS: the log, its bounds and the epoch (see tick-script.ts; the log again when nothing is routed), then a key for each entry that must be written
 * once and the index streams.
 * ARGV: length cap of the log, life of a key in ms, command that publishes (empty: plain servers read the log, nothing is routed), then for
 * each group its size and per entry `nsp type data to keyIndex digest` (`to` empty: no such field; `keyIndex` 0: no key) and its routes.
 *
 * Answers one string per entry: an id (written), `=id` (written before, same content), or in a group that was refused
 * because of other content under one of its keys `!id` for that entry and `!` for the rest.
 *
 * `NOTROUTED`: what should be written is on the log, but Redis refused its index or its channels.
 *
 * All keys share a slot in Redis Cluster, see `onceKeyOf`. A script cannot be cut short by OOM: Redis decides once, before its first write.
 */
export const APPEND_SCRIPT = `
local stream, maxLen, windowMs, publish = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local floor, lifeMs = '0', 7200000
if publish ~= '' then
	local bounds = redis.call('HMGET', KEYS[2], 'first', 'retention')
	floor, lifeMs = bounds[1] or floor, bounds[2] or lifeMs
end
${EPOCH_FUNCTION}${PAYLOAD_FUNCTION}${ROUTE_FUNCTION}
local out, at, added = {}, 4, 0
while ARGV[at] do
	local size, ends = tonumber(ARGV[at]), {}
	local first = at + 1
	at = first
	for n = 1, size do
		at = at + 7
		for _ = 1, tonumber(ARGV[at - 1]) do
			at = at + 2 + tonumber(ARGV[at + 1])
		end
		ends[n] = at
	end
	local known, refused, base = {}, false, first
	for n = 1, size do
		if ARGV[base + 4] ~= '0' then
			local value = redis.call('GET', KEYS[tonumber(ARGV[base + 4])])
			if value then
				local space = string.find(value, ' ', 1, true)
				local same = string.sub(value, space + 1) == ARGV[base + 5]
				known[n] = (same and '=' or '!') .. string.sub(value, 1, space - 1)
				refused = refused or not same
			end
		end
		base = ends[n]
	end
	base = first
	for n = 1, size do
		if refused then
			out[#out + 1] = (known[n] and string.sub(known[n], 1, 1) == '!') and known[n] or '!'
		elseif known[n] then
			out[#out + 1] = known[n]
		else
			local nsp, type_, data, to = ARGV[base], ARGV[base + 1], ARGV[base + 2], ARGV[base + 3]
			local entry = { 'XADD', stream, 'MAXLEN', '~', maxLen, '*', 'uid', 'emitter', 'nsp', nsp, 'type', type_, 'data', data }
			if to ~= '' then
				entry[#entry + 1], entry[#entry + 2] = 'to', to
			end
			local id = redis.call(unpack(entry))
			out[#out + 1] = id
			added = added + 1
			if ARGV[base + 4] ~= '0' then
				redis.call('SET', KEYS[tonumber(ARGV[base + 4])], id .. ' ' .. ARGV[base + 5], 'PX', windowMs)
			end
			route(id, nsp, payloadOf(id, 'emitter', nsp, type_, '', data), base + 6)
			local index = base + 7
			for _ = 1, tonumber(ARGV[base + 6]) do
				redis.pcall('PEXPIRE', KEYS[tonumber(ARGV[index])], lifeMs)
				index = index + 2 + tonumber(ARGV[index + 1])
			end
		end
		base = ends[n]
	end
end
if publish ~= '' and redis.call('HEXISTS', KEYS[2], 'counted') == 1 then redis.call('HINCRBY', KEYS[2], 'counted', added) end
if isSetBack then newEpoch(KEYS[3]) end
if trouble ~= '' then return redis.error_reply('NOTROUTED ' .. trouble) end
return out
`;
