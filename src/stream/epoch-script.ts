/** The part of scripts that knows the epoch. */

/** Names the present history of the log: what was remembered under another one is no longer true. */
export const EPOCH_FUNCTION = `
local function newEpoch(key)
	local time = redis.call('TIME')
	local epoch = time[1] .. '.' .. time[2]
	redis.call('SET', key, epoch)
	return epoch
end
local function readEpoch(key)
	return redis.call('GET', key) or newEpoch(key)
end
`;
