/**
 * Chat in rooms. A message is delivered by one ordinary broadcast to its room, so with Redis a client that lost its connection
 * gets what it missed when it is back. Newcomers are shown the last messages, which every worker remembers.
 */
import { BoundedLog, type LogEntry, type LogState } from './bounded-log.ts';
import type { Demo } from './demo.ts';
import { onEvent, oneOf, textOf } from './input.ts';
import { type Person, type Presence, personOf, ROOM_PREFIX } from './presence.ts';
import { createReplica, type Replica } from './replica.ts';

const ROOMS = ['lobby', 'engineering', 'coffee'] as const;
type Room = (typeof ROOMS)[number];

const MAX_TEXT_LENGTH = 500;
const HISTORY_LENGTH = 50;

interface Message extends LogEntry {
	readonly room: Room;
	readonly from: Person;
	readonly text: string;
}

export function startChat(demo: Demo, presence: Presence): void {
	const { io, node } = demo;
	const histories = Object.fromEntries(ROOMS.map((room) => [room, createHistory(demo, room)])) as Record<Room, History>;
	let count = 0;

	io.on('connection', (socket) => {
		onEvent(socket, 'chat:join', { perSecond: 2, burst: 6 }, (input) => {
			const room = oneOf(input.room, ROOMS);
			if (!room) {
				return undefined;
			}
			for (const other of ROOMS) {
				void socket.leave(ROOM_PREFIX + other);
			}
			void socket.join(ROOM_PREFIX + room);
			presence.changed();
			io.to(ROOM_PREFIX + room).emit('chat:joined', { room, who: personOf(socket) });
			return { rooms: ROOMS, history: histories[room].log.entries() };
		});

		onEvent(socket, 'chat:send', { perSecond: 4, burst: 10 }, (input) => {
			const room = oneOf(input.room, ROOMS);
			const text = textOf(input.text, MAX_TEXT_LENGTH);
			if (!room || !text || !socket.rooms.has(ROOM_PREFIX + room)) {
				return undefined;
			}
			const { log, replica } = histories[room];
			const message: Message = { id: `${node}.${count++}`, at: log.tick(), room, from: personOf(socket), text };
			io.to(ROOM_PREFIX + room).emit('chat:message', message);
			replica.share(log.add(message));
			return { id: message.id };
		});
	});
}

interface History {
	readonly log: BoundedLog<Message>;
	readonly replica: Replica<LogState<Message>>;
}

function createHistory(demo: Demo, room: Room): History {
	// Clients hear of new messages by the broadcast, so nothing needs to be told when the memory grows.
	const log = new BoundedLog<Message>(HISTORY_LENGTH, () => undefined);
	return { log, replica: createReplica(demo, `chat:${room}`, log) };
}
