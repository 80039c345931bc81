/** The Lua script that appends entries from outside: groups written whole or not at all, an idempotency key written once. */

/**
 * One call carries groups of entries; a group is one caller's batch.
 *
 * KEYS: the stream, then one key for each entry that must be written once.
 * ARGV: length cap of the stream, life of a key in ms, then for each group its size and per entry
 * `nsp type data to keyIndex digest` (`to` empty: no such field; `keyIndex` 0: no key).
 *
 * Answers one string per entry: an id (written), `=id` (written before, same content), or in a group that was refused
 * because of other content under one of its keys `!id` for that entry and `!` for the rest.
 *
 * Keys and stream share a slot in Redis Cluster, see `onceKeyOf`. A script can't be cut short by OOM: Redis decides
 * once, before its first write.
 */
export const APPEND_SCRIPT = `
local stream, maxLen, windowMs = KEYS[1], ARGV[1], ARGV[2]
local out, at = {}, 3
while ARGV[at] do
	local first, size = at + 1, tonumber(ARGV[at])
	local last = first + size * 6 - 1
	local known, refused = {}, false
	for base = first, last, 6 do
		if ARGV[base + 4] ~= '0' then
			local value = redis.call('GET', KEYS[tonumber(ARGV[base + 4])])
			if value then
				local space = string.find(value, ' ', 1, true)
				local same = string.sub(value, space + 1) == ARGV[base + 5]
				known[base] = (same and '=' or '!') .. string.sub(value, 1, space - 1)
				refused = refused or not same
			end
		end
	end
	for base = first, last, 6 do
		if refused then
			out[#out + 1] = (known[base] and string.sub(known[base], 1, 1) == '!') and known[base] or '!'
		elseif known[base] then
			out[#out + 1] = known[base]
		else
			local id
			if ARGV[base + 3] == '' then
				id = redis.call('XADD', stream, 'MAXLEN', '~', maxLen, '*',
					'uid', 'emitter', 'nsp', ARGV[base], 'type', ARGV[base + 1], 'data', ARGV[base + 2])
			else
				id = redis.call('XADD', stream, 'MAXLEN', '~', maxLen, '*',
					'uid', 'emitter', 'nsp', ARGV[base], 'type', ARGV[base + 1], 'data', ARGV[base + 2], 'to', ARGV[base + 3])
			end
			out[#out + 1] = id
			if ARGV[base + 4] ~= '0' then
				redis.call('SET', KEYS[tonumber(ARGV[base + 4])], id .. ' ' .. ARGV[base + 5], 'PX', windowMs)
			end
		end
	end
	at = last + 1
end
return out
`;
