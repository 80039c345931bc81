/**
 * Who was sent what, and who has it. A listener's life is cut into stretches: one begins at a connect that was not recovered. Within a
 * stretch nothing may be missing, come twice or change its order; between two stretches the client was told.
 */
import { io as connect, type Socket } from 'socket.io-client';
import { compareOffsets, parseOffset, type StreamOffset } from '../../../src/redis/stream-offset.ts';
import type { Scope } from '../../support/redis-server.ts';

export interface Heard {
	readonly sender: string;
	readonly number: number;
	/** What the message carried as its offset; undefined when it came without the stream. */
	readonly offset: StreamOffset | undefined;
}

export interface Listener {
	readonly socket: Socket;
	readonly name: string;
	readonly rooms: readonly string[];
	readonly stretches: Heard[][];
	readonly counts: { recovered: number; refused: number };
}

export interface Acknowledged {
	readonly id: StreamOffset;
	readonly room: string;
	readonly sender: string;
	readonly number: number;
}

export function openListener(t: Scope, url: string, name: string, rooms: readonly string[]): Listener {
	const socket = connect(url, {
		transports: ['websocket'],
		forceNew: true,
		reconnectionDelay: 50,
		reconnectionDelayMax: 500,
		auth: { rooms },
	});
	t.after(() => void socket.disconnect());
	const listener: Listener = { socket, name, rooms, stretches: [], counts: { recovered: 0, refused: 0 } };
	let connected = false;
	socket.on('connect', () => {
		if (socket.recovered) {
			listener.counts.recovered++;
		} else {
			listener.counts.refused += connected ? 1 : 0;
			listener.stretches.push([]);
		}
		connected = true;
	});
	const onMessage = (sender: string, number: number, offset: unknown): void => {
		listener.stretches.at(-1)?.push({ sender, number, offset: parseOffset(offset) });
	};
	socket.on('said', onMessage);
	socket.on('written', onMessage);
	return listener;
}

/** What went wrong, as sentences; empty when the promises held. */
export function findBreaches(listeners: readonly Listener[], acknowledged: readonly Acknowledged[]): string[] {
	return listeners.flatMap((listener) =>
		listener.stretches.flatMap((stretch, index) => {
			const where = `${listener.name}, stretch ${index}`;
			return [...findDisorder(where, stretch), ...findLosses(where, listener, stretch, acknowledged)];
		}),
	);
}

function findDisorder(where: string, stretch: readonly Heard[]): string[] {
	const breaches: string[] = [];
	const last = new Map<string, number>();
	let before: StreamOffset | undefined;
	for (const { sender, number, offset } of stretch) {
		const previous = last.get(sender);
		if (previous !== undefined && number <= previous) {
			breaches.push(`${where}: ${sender} ${number} came after ${previous}`);
		}
		last.set(sender, number);
		if (offset !== undefined && before !== undefined && compareOffsets(offset, before) <= 0) {
			breaches.push(`${where}: offset ${offset} came after ${before}`);
		}
		before = offset ?? before;
	}
	return breaches;
}

/** Between the first and the last offset of a stretch everything that Redis acknowledged must be there. */
function findLosses(where: string, { rooms }: Listener, stretch: readonly Heard[], acknowledged: readonly Acknowledged[]): string[] {
	const offsets = stretch.flatMap(({ offset }) => (offset === undefined ? [] : [offset]));
	const [first] = offsets;
	const last = offsets.at(-1);
	if (first === undefined || last === undefined) {
		return [];
	}
	const heard = new Set(stretch.map(({ sender, number }) => `${sender} ${number}`));
	return acknowledged
		.filter(({ id, room }) => rooms.includes(room) && compareOffsets(id, first) > 0 && compareOffsets(id, last) < 0)
		.filter(({ sender, number }) => !heard.has(`${sender} ${number}`))
		.map(({ sender, number, id }) => `${where}: ${sender} ${number} (${id}) is missing between ${first} and ${last}`);
}
