/** The Lua scripts that say how far the log goes, and whether it is still the one that it was. */
import { EPOCH_FUNCTION } from './epoch-script.ts';
import { IS_BELOW_FUNCTION } from './offset-script.ts';

const LOG_FUNCTION = `
local function readLog(stream)
	local info = redis.pcall('XINFO', 'STREAM', stream)
	local log = { last = '0-0', first = '0-0', added = nil }
	if not info.err then
		for i = 1, #info, 2 do
			if info[i] == 'last-generated-id' then log.last = info[i + 1] end
			if info[i] == 'entries-added' then log.added = info[i + 1] end
			if info[i] == 'first-entry' and info[i + 1] then log.first = info[i + 1][1] end
		end
	end
	return log
end
`;

/**
 * KEYS: the log, the epoch, the log's bounds: a hash of the time `at` of the last tick, the log's `last` and `first` id then, the
 * `retention` in ms, how many entries our scripts have `counted`, and `foreignAt`, when others were last found.
 * ARGV: the last id that the caller has passed, the epoch that it knows (empty: none yet), for how many ms a tick is young while the log moves, and while it does not, retention in ms,
 * the tick's channel, command that publishes.
 *
 * Publishes `last epoch own`, unless the last tick is young; `foreign` for `own` when, within a minute, entries were added that none of our
 * scripts has counted (Redis 7 and newer tell): someone writes the log who does not push. A last id below the caller's shows that the log was set back: a new
 * epoch begins, unless the caller has only not heard of it yet. Answers 1 when it published.
 */
export const TICK_SCRIPT = `${EPOCH_FUNCTION}${LOG_FUNCTION}${IS_BELOW_FUNCTION}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = redis.call('HMGET', KEYS[3], 'at', 'last')
local age = now - tonumber(before[1] or '0')
if age >= 0 and age < tonumber(ARGV[3]) then return 0 end
local log = readLog(KEYS[1])
if log.last == before[2] and age >= 0 and age < tonumber(ARGV[4]) then return 0 end
local epoch = readEpoch(KEYS[2])
if isBelow(log.last, ARGV[1]) and (ARGV[2] == '' or ARGV[2] == epoch) then epoch = newEpoch(KEYS[2]) end
local counted = tonumber(redis.call('HGET', KEYS[3], 'counted') or log.added)
-- Nobody has ticked for a while: the fleet followed, with pods that count nothing.
if log.added and counted and log.added > counted and age < 5000 then redis.call('HSET', KEYS[3], 'foreignAt', now) end
redis.call('HSET', KEYS[3], 'at', now, 'last', log.last, 'first', log.first, 'retention', ARGV[5], 'counted', log.added or 0)
redis.call('PEXPIRE', KEYS[3], ARGV[5])
local foreignAt = tonumber(redis.call('HGET', KEYS[3], 'foreignAt') or '0')
redis.call(ARGV[7], ARGV[6], log.last .. ' ' .. epoch .. ' ' .. (now - foreignAt < 60000 and 'foreign' or 'own'))
return 1
`;
