/** What the emit API can be asked: sockets, page by page, and counts. Answers that lack workers say so. */
import { type Answer, invalid, json, problem } from './answer.ts';
import { MAX_ROOMS, type PresenceQuery, type SocketsQuery } from './schema.ts';
import { findDenial, mayReachRoom, type Token } from './tokens.ts';
import { type Checked, checkPresenceQuery, checkSocketsQuery } from './validate.ts';

export interface ListedSocket {
	readonly id: string;
	readonly rooms: readonly string[];
	/** Unix time in ms. */
	readonly connectedAt: number;
	readonly data: unknown;
}

export interface SocketList {
	readonly sockets: readonly ListedSocket[];
	/** Workers that did not answer in time. */
	readonly missing: readonly string[];
}

/** The sockets of the whole fleet; with no rooms those of the namespace. Undefined: there is no such namespace here. */
export interface SocketLister {
	list(namespace: string, rooms: readonly string[]): Promise<SocketList | undefined>;
}

export async function answerSockets(lister: SocketLister, token: Token, search: URLSearchParams): Promise<Answer> {
	const found = await findSockets(lister, token, checkSocketsQuery(readQuery(search)));
	if ('refusal' in found) {
		return found.refusal;
	}
	const { query, sockets, missing } = found;
	const { cursor = '', limit } = query;
	const ordered = sockets.filter(({ id }) => id > cursor).sort(byId);
	const page = ordered.slice(0, limit);
	const last = page.at(-1);
	return json(200, {
		sockets: page.map((socket) => ({
			id: socket.id,
			rooms: socket.rooms.filter((room) => mayReachRoom(token, room)),
			connectedAt: new Date(socket.connectedAt).toISOString(),
			...(query.data ? { data: socket.data } : {}),
		})),
		...(last && ordered.length > limit ? { next: last.id } : {}),
		missing,
	});
}

export async function answerPresence(lister: SocketLister, token: Token, search: URLSearchParams): Promise<Answer> {
	const found = await findSockets(lister, token, checkPresenceQuery(readQuery(search)));
	if ('refusal' in found) {
		return found.refusal;
	}
	const { query, sockets, missing } = found;
	const asked = new Set(query.room);
	const counts = new Map<string, number>(query.room.map((room) => [room, 0]));
	for (const { id, rooms } of sockets) {
		for (const room of rooms) {
			// Each socket is alone in the room of its own id.
			if (asked.size === 0 ? room !== id : asked.has(room)) {
				counts.set(room, (counts.get(room) ?? 0) + 1);
			}
		}
	}
	const largest = [...counts].sort(([, a], [, b]) => b - a).slice(0, MAX_ROOMS);
	return json(200, { sockets: sockets.length, rooms: Object.fromEntries(largest), missing });
}

type Found<Query> = (SocketList & { readonly query: Query }) | { readonly refusal: Answer };

async function findSockets<Query extends SocketsQuery | PresenceQuery>(
	lister: SocketLister,
	token: Token,
	checked: Checked<Query>,
): Promise<Found<Query>> {
	if (checked.kind === 'invalid') {
		return { refusal: invalid(checked.problems) };
	}
	const query = checked.value;
	const denial = findDenial(token, 'read', [{ namespace: query.namespace, rooms: query.room.length === 0 ? undefined : query.room }]);
	if (denial) {
		return { refusal: problem('ERR_FORBIDDEN', denial.detail, { scope: denial.scope }) };
	}
	const list = await lister.list(query.namespace, query.room);
	return list === undefined
		? { refusal: problem('ERR_NOT_FOUND', `namespace ${query.namespace} is not open in this worker`) }
		: { ...list, query };
}

/** Repeated `room` is a list; anything else that is repeated is refused by the schema. */
function readQuery(search: URLSearchParams): Record<string, unknown> {
	const query: Record<string, unknown> = { room: search.getAll('room') };
	for (const name of new Set(search.keys())) {
		if (name !== 'room') {
			const values = search.getAll(name);
			query[name] = values.length === 1 ? values[0] : values;
		}
	}
	return query;
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
	return a.id < b.id ? -1 : Number(a.id > b.id);
}
