/** The part of the writing scripts that adds references to the index and pushes an entry to who wants it. */
import type { Route } from './route.ts';

/**
 * `route(id, nsp, payload, at)`: reads the routes of an entry from ARGV at `at` (their number, then for each the position of its index in
 * KEYS, the number of its rooms, the rooms), and gives the position behind them. `stream`, `floor`, `publish` are the caller's.
 *
 * Errors are collected in `trouble`, and never end the script: what is on the log stays there, and its publisher is told.
 * An index that is ahead of the log shows that the log was set back: it is begun anew, and `isSetBack` says so.
 */
export const ROUTE_FUNCTION = `
local trouble, isSetBack = '', false
local function note(answer)
	if type(answer) == 'table' and answer.err and trouble == '' then trouble = answer.err end
end
local function route(id, nsp, payload, at)
	local count = tonumber(ARGV[at])
	at = at + 1
	for _ = 1, count do
		local index, size = KEYS[tonumber(ARGV[at])], tonumber(ARGV[at + 1])
		local add = { 'XADD', index, 'MINID', '~', floor, id }
		if size == 0 then
			add[7], add[8] = nsp, ''
		end
		for i = at + 2, at + 1 + size do
			add[#add + 1], add[#add + 2] = nsp, ARGV[i]
		end
		local added = redis.pcall(unpack(add))
		if type(added) == 'table' and added.err and string.find(added.err, 'equal or smaller', 1, true) then
			isSetBack = true
			redis.call('DEL', index)
			added = redis.pcall(unpack(add))
		end
		note(added)
		if size == 0 then
			note(redis.pcall(publish, stream .. ':namespace:' .. nsp, payload))
		end
		for i = at + 2, at + 1 + size do
			note(redis.pcall(publish, stream .. ':room:' .. nsp .. '\\31' .. ARGV[i], payload))
		end
		at = at + 2 + size
	end
	return at
end
`;

/** What a push carries in front of its data. `ROUTE_FUNCTION`'s callers build it, `parsePush` in entry.ts reads it. */
export const PAYLOAD_FUNCTION = `
local function payloadOf(id, uid, nsp, type, mark, data)
	return id .. '\\0' .. uid .. '\\0' .. type .. '\\0' .. mark .. '\\0' .. nsp .. '\\0' .. data
end
`;

/** Collects the index streams of one script call: each stands in KEYS once, behind `fixed`. */
export class RouteArguments {
	readonly keys: string[];
	readonly #positions = new Map<string, number>();

	constructor(fixed: readonly string[]) {
		this.keys = [...fixed];
	}

	/** Appends the routes of one entry as `ROUTE_FUNCTION` reads them. */
	add(args: (string | number)[], routes: readonly Route[]): void {
		args.push(routes.length);
		for (const { index, rooms } of routes) {
			args.push(this.#positionOf(index), rooms.length, ...rooms);
		}
	}

	#positionOf(index: string): number {
		const known = this.#positions.get(index);
		if (known !== undefined) {
			return known;
		}
		const position = this.keys.push(index);
		this.#positions.set(index, position);
		return position;
	}
}
