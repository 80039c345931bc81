/** The Lua script that appends a batch of a worker's messages: once each, not after their deadline, and trims the stream. */

/**
 * KEYS: the stream, the publisher's last sequence.
 * ARGV: publisher, sequence of the first entry, deadline by Redis' clock in ms (0: none), retention in ms, length cap,
 * then for each entry `uid nsp type data to` (`to` empty: no such field).
 *
 * Answers Redis' clock in ms and one id per entry, empty for one that was in the stream already (the answer to an earlier try
 * was lost); or the clock and `late`: nothing was appended, the messages have been delivered without the stream by now.
 *
 * Trimming by time goes first by whole nodes (`~`), which is why retention is a lower bound.
 */
export const PUBLISH_SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deadline = tonumber(ARGV[3])
if deadline > 0 and now > deadline then
	return { now, 'late' }
end
local answer = { now }
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local sequence = tonumber(ARGV[2])
for at = 6, #ARGV, 5 do
	if sequence <= last then
		answer[#answer + 1] = ''
	else
		local entry = { 'XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], '*',
			'uid', ARGV[at], 'nsp', ARGV[at + 1], 'type', ARGV[at + 2], 'data', ARGV[at + 3], 'pub', ARGV[1] .. ' ' .. sequence }
		if ARGV[at + 4] ~= '' then
			entry[#entry + 1] = 'to'
			entry[#entry + 1] = ARGV[at + 4]
		end
		answer[#answer + 1] = redis.call(unpack(entry))
	end
	sequence = sequence + 1
end
redis.call('SET', KEYS[2], sequence - 1, 'PX', ARGV[4])
redis.call('XTRIM', KEYS[1], 'MINID', '~', now - tonumber(ARGV[4]))
return answer
`;
