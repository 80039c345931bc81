/** The Lua script that puts a batch of a worker's messages on the log, once each, with its index and its pushes, and trims. */
import { EPOCH_FUNCTION } from './epoch-script.ts';
import { PAYLOAD_FUNCTION, ROUTE_FUNCTION } from './route-script.ts';

/**
 * KEYS: the log, the publisher's last sequence, the epoch, the log's bounds (see tick-script.ts), then the index streams of the batch.
 * ARGV: publisher, sequence of the first entry, highest sequence that the publisher has an answer for, retention in ms, length cap, command
 * that publishes, then for each entry `uid nsp type data to` (`to` empty: no such field) and its routes.
 *
 * An entry whose sequence is on the log already is ignored: the answer to an earlier try was lost. A last sequence below one that was
 * answered, or one without a log, shows that the log was set back, by a failover or by hand: a new epoch begins.
 *
 * Answers `epoch, id, ...`: one id for each entry, the log's last one for those that were there before. `NOTROUTED`: Redis refused the
 * index or the channels of an entry, which is on the log all the same and comes again with the next try; readers drop the repetition.
 * Without entries (a probe) the rights for both are tried with the index stream that is named then.
 *
 * Trimming by time goes first by whole nodes (`~`), which is why retention is a lower bound.
 */
export const PUBLISH_SCRIPT = `
local stream, publish = KEYS[1], ARGV[6]
local time = redis.call('TIME')
local oldest = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[4])
local floor = redis.call('HGET', KEYS[4], 'first') or oldest
${EPOCH_FUNCTION}${PAYLOAD_FUNCTION}${ROUTE_FUNCTION}
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
isSetBack = last < tonumber(ARGV[3])
local sequence, at, ids, added, refusal = tonumber(ARGV[2]), 7, {}, 0, nil
while ARGV[at] and not refusal do
	local uid, nsp, type_, data, to = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
	if sequence > last then
		local mark = ARGV[1] .. ' ' .. sequence
		local entry = { 'XADD', stream, 'MAXLEN', '~', ARGV[5], '*', 'uid', uid, 'nsp', nsp, 'type', type_, 'data', data, 'pub', mark }
		if to ~= '' then
			entry[#entry + 1], entry[#entry + 2] = 'to', to
		end
		local id = redis.pcall(unpack(entry))
		if type(id) == 'table' then
			refusal = id
		else
			ids[#ids + 1] = id
			added = added + 1
			at = route(id, nsp, payloadOf(id, uid, nsp, type_, mark, data), at + 5)
			if trouble == '' then
				sequence = sequence + 1
			else
				refusal = redis.error_reply('NOTROUTED ' .. trouble)
			end
		end
	else
		local info, lastId = redis.pcall('XINFO', 'STREAM', stream), '0-0'
		isSetBack = isSetBack or info.err ~= nil
		for i = 1, #info, 2 do
			if info[i] == 'last-generated-id' then lastId = info[i + 1] end
		end
		ids[#ids + 1] = lastId
		at = at + 6
		for _ = 1, tonumber(ARGV[at - 1]) do
			at = at + 2 + tonumber(ARGV[at + 1])
		end
		sequence = sequence + 1
	end
end
if #ARGV == 6 then
	note(redis.pcall('PEXPIRE', KEYS[5], ARGV[4]))
	note(redis.pcall(publish, stream .. ':namespace:', ''))
	if trouble ~= '' then return redis.error_reply('NOTROUTED ' .. trouble) end
end
redis.call('SET', KEYS[2], math.max(last, sequence - 1), 'PX', ARGV[4])
for i = 5, #KEYS do
	redis.pcall('PEXPIRE', KEYS[i], ARGV[4])
end
redis.call('XTRIM', stream, 'MINID', '~', oldest)
if redis.call('HEXISTS', KEYS[4], 'counted') == 1 then redis.call('HINCRBY', KEYS[4], 'counted', added) end
if refusal then return refusal end
local epoch = isSetBack and newEpoch(KEYS[3]) or readEpoch(KEYS[3])
return { epoch, unpack(ids) }
`;
