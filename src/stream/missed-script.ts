/** The Lua scripts that read the messages for some rooms, by the index, or all that is on the log. */
import { IS_BELOW_FUNCTION } from './offset-script.ts';

/**
 * KEYS: the log, then index streams.
 * ARGV: after which id, up to which one (`+`: the end), most references read from one index, channel and text of a fence (empty: none),
 * command that publishes, then for each index stream the number of its rooms and for each `nsp room` (`room` empty: the whole namespace).
 *
 * Answers `upTo, now, entry, ...`: Redis' time in ms, and the entries after the first id up to `upTo` (`upTo` empty: to the end of what was
 * asked for), as XRANGE gives them, each once, in no order. The fence is published in the same step as the end is reached: whoever hears
 * it has been pushed everything that is older than what was read.
 */
export const MISSED_SCRIPT = `${IS_BELOW_FUNCTION}
local from, to, most = '(' .. ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local found, ids, upTo, at = {}, {}, '', 7
for i = 2, #KEYS do
	local wanted, count = {}, tonumber(ARGV[at])
	for j = 1, count do
		wanted[ARGV[at + 2 * j - 1] .. '\\31' .. ARGV[at + 2 * j]] = true
	end
	at = at + 1 + 2 * count
	local references = redis.call('XRANGE', KEYS[i], from, to, 'COUNT', most)
	if #references == most then
		local last = references[most][1]
		if upTo == '' or isBelow(last, upTo) then upTo = last end
	end
	for _, reference in ipairs(references) do
		local id, fields = reference[1], reference[2]
		for j = 1, #fields, 2 do
			if not found[id] and wanted[fields[j] .. '\\31' .. fields[j + 1]] then
				found[id] = true
				ids[#ids + 1] = id
			end
		end
	end
end
local answer = { upTo, time[1] * 1000 + math.floor(time[2] / 1000) }
for _, id in ipairs(ids) do
	if upTo == '' or not isBelow(upTo, id) then
		local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
		if entry then answer[#answer + 1] = entry end
	end
end
if ARGV[4] ~= '' and upTo == '' then redis.call(ARGV[6], ARGV[4], ARGV[5]) end
return answer
`;

/**
 * KEYS: the log. ARGV: after which id, most entries, channel and text of a fence (empty: none), command that publishes.
 *
 * Answers entries as XRANGE does.
 */
export const LOG_PAGE_SCRIPT = `
local answer = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
if ARGV[3] ~= '' then redis.call(ARGV[5], ARGV[3], ARGV[4]) end
return answer
`;
