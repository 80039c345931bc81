/** The Lua script that appends a batch of a worker's messages, once each, and trims the stream. */

/**
 * KEYS: the stream, the publisher's last sequence.
 * ARGV: publisher, sequence of the first entry, retention in ms, length cap, then for each entry `uid nsp type data to` (`to` empty: no
 * such field).
 *
 * An entry whose sequence is in the stream already is passed over: the answer to an earlier try was lost.
 *
 * Trimming by time goes first by whole nodes (`~`), which is why retention is a lower bound.
 */
export const PUBLISH_SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local sequence = tonumber(ARGV[2])
for at = 5, #ARGV, 5 do
	if sequence > last then
		local entry = { 'XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*',
			'uid', ARGV[at], 'nsp', ARGV[at + 1], 'type', ARGV[at + 2], 'data', ARGV[at + 3], 'pub', ARGV[1] .. ' ' .. sequence }
		if ARGV[at + 4] ~= '' then
			entry[#entry + 1] = 'to'
			entry[#entry + 1] = ARGV[at + 4]
		end
		redis.call(unpack(entry))
	end
	sequence = sequence + 1
end
redis.call('SET', KEYS[2], sequence - 1, 'PX', ARGV[3])
redis.call('XTRIM', KEYS[1], 'MINID', '~', now - tonumber(ARGV[3]))
`;
