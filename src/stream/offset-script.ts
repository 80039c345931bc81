/** The part of scripts that compares ids. */

export const IS_BELOW_FUNCTION = `
local function isBelow(a, b)
	local aMs, aSequence = string.match(a, '(%d+)-(%d+)')
	local bMs, bSequence = string.match(b, '(%d+)-(%d+)')
	if aMs ~= bMs then return tonumber(aMs) < tonumber(bMs) end
	return tonumber(aSequence) < tonumber(bSequence)
end
`;
