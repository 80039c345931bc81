/**
 * Where a message goes besides the log: index streams, which refer to it by room, and channels, which workers subscribe to.
 * Names and choices only; the scripts write. Pure.
 */
import { crc32 } from 'node:zlib';

/** Part of the keys' names: a fleet whose pods disagreed on it would read where nobody writes. */
const INDEX_STREAMS = 1024;
/** A message for more rooms than this goes to its whole namespace: a script must not take long. */
export const MAX_ROUTED_ROOMS = 8;
const SEPARATOR = '\u001f';

/** One index stream and the rooms in it that a message is for. No rooms: it is for the whole namespace. */
export interface Route {
	readonly index: string;
	readonly rooms: readonly string[];
}

/** The index stream that refers to messages for a room; without `room`, for the whole namespace. Namespaces begin with a slash, numbers do not. */
export function indexOf(stream: string, nsp: string, room?: string): string {
	return `${stream}:index${INDEX_STREAMS}:${room === undefined ? nsp : crc32(`${nsp}${SEPARATOR}${room}`) % INDEX_STREAMS}`;
}

/** The channel of a room; without `room`, that of the whole namespace. `ROUTE_FUNCTION` in route-script.ts builds the same names. */
export function channelOf(stream: string, nsp: string, room?: string): string {
	return room === undefined ? `${stream}:namespace:${nsp}` : `${stream}:room:${nsp}${SEPARATOR}${room}`;
}

/** The channel on which all workers hear how far the log goes. */
export function tickChannelOf(stream: string): string {
	return `${stream}:tick`;
}

/** The channel that one worker alone listens on. */
export function workerChannelOf(stream: string, worker: string): string {
	return `${stream}:worker:${worker}`;
}

/** Which index streams refer to a message for `rooms`; those that have to be told by the whole namespace give one route without rooms. */
export function routesOf(stream: string, nsp: string, rooms: readonly unknown[]): readonly Route[] {
	if (rooms.length === 0 || rooms.length > MAX_ROUTED_ROOMS || !rooms.every(isRoutable)) {
		return [{ index: indexOf(stream, nsp), rooms: [] }];
	}
	const routes = new Map<string, string[]>();
	for (const room of new Set(rooms.map(String))) {
		const index = indexOf(stream, nsp, room);
		const known = routes.get(index);
		if (known) {
			known.push(room);
		} else {
			routes.set(index, [room]);
		}
	}
	return [...routes].map(([index, found]) => ({ index, rooms: found }));
}

/** Applications name rooms with numbers, too; a number and its text share a channel, and are told apart where they are delivered. */
function isRoutable(room: unknown): room is string | number {
	return typeof room === 'number' || (typeof room === 'string' && room !== '' && !room.includes(SEPARATOR));
}
