/** Who is here, and which worker of which pod holds them. Each worker owns the list of its own participants. */
import type { Socket } from 'socket.io';
import { COLORS, type Color, type Demo } from './demo.ts';
import { fieldsOf, onEvent, oneOf, textOf } from './input.ts';
import { createShares } from './shares.ts';
import { throttle } from './timing.ts';

export interface Person {
	readonly id: string;
	readonly name: string;
	readonly color: Color;
}

interface Participant extends Person {
	readonly room: string | undefined;
}

interface Roster {
	readonly pod: string;
	readonly worker: number;
	/** All participants of this worker; `people` holds the first of them. */
	readonly total: number;
	readonly people: readonly Participant[];
}

export interface Presence {
	/** Call when something in the list has changed: a name, a room. */
	changed(): void;
}

const MAX_NAME_LENGTH = 24;
const MAX_PEOPLE_PER_WORKER = 100;
export const ROOM_PREFIX = 'chat:';

/** The participant behind a socket, with the name and the colour it gave in its handshake. */
export function personOf(socket: Socket): Person {
	const { name, color } = fieldsOf(socket.data.person);
	return { id: socket.id, name: textOf(name, MAX_NAME_LENGTH) ?? 'Somebody', color: oneOf(color, COLORS) ?? 'blue' };
}

export function startPresence(demo: Demo): Presence {
	const { io, pod, worker } = demo;

	const tellClients = throttle(250, () => {
		const workers = shares.all().sort((a, b) => a.pod.localeCompare(b.pod) || a.worker - b.worker);
		// `local`: each worker tells its own clients; all workers know the same.
		io.local.emit('presence:list', { workers });
	});
	const shares = createShares<Roster>(demo, {
		name: 'presence',
		intervalMs: 200,
		mine: () => {
			const sockets = [...io.of('/').sockets.values()];
			const people = sockets.slice(0, MAX_PEOPLE_PER_WORKER).map((socket) => ({ ...personOf(socket), room: roomOf(socket) }));
			return { pod, worker, total: sockets.length, people };
		},
		onChange: tellClients,
	});

	io.use((socket, next) => {
		socket.data.person = fieldsOf(socket.handshake.auth);
		next();
	});
	io.on('connection', (socket) => {
		shares.changed();
		socket.on('disconnect', shares.changed);
		onEvent(socket, 'presence:hello', { perSecond: 2, burst: 5 }, () => {
			tellClients();
			return { pod, worker, address: socket.handshake.address };
		});
		onEvent(socket, 'presence:rename', { perSecond: 1, burst: 5 }, (input) => {
			const name = textOf(input.name, MAX_NAME_LENGTH);
			const color = oneOf(input.color, COLORS);
			if (!name || !color) {
				return undefined;
			}
			socket.data.person = { name, color };
			shares.changed();
			return {};
		});
		onEvent(socket, 'presence:ping', { perSecond: 2, burst: 5 }, () => ({}));
	});
	return { changed: shares.changed };
}

function roomOf(socket: Socket): string | undefined {
	const room = [...socket.rooms].find((name) => name.startsWith(ROOM_PREFIX));
	return room?.slice(ROOM_PREFIX.length);
}
