/** Application of the tests of rooms: does with rooms what its clients ask for, and answers when it is done. */
import type { Namespace, Server } from 'socket.io';
import type { AppContext } from '../../../src/index.ts';

/** Of an application that uses numbers as rooms, against the types of Socket.IO. */
export type AnyRoom = string | number;

export interface Target {
	readonly to?: readonly AnyRoom[];
	readonly except?: readonly AnyRoom[];
}

/** In order. */
export interface Deed {
	/** Sends `heard` with this to the target. */
	readonly say?: string;
	/** Has the target's clients join or leave. */
	readonly join?: readonly AnyRoom[];
	readonly leave?: readonly AnyRoom[];
	readonly target: Target;
}

type Done = () => void;
const roomsOf = (rooms: readonly AnyRoom[]): string[] => rooms as string[];

export default function setUp(io: Server, { pod, worker }: AppContext): void {
	const hall = io.of(/^\/hall-\d+$/);
	for (const namespace of [io, hall]) {
		namespace.on('connection', (socket) => {
			socket.on('where', (answer: (where: string) => void) => answer(`${pod}.${worker}`));
			socket.on('join', async (rooms: AnyRoom[], answer: Done) => {
				await socket.join(roomsOf(rooms));
				answer();
			});
			socket.on('leave', async (rooms: AnyRoom[], answer: Done) => {
				await Promise.all(roomsOf(rooms).map(async (room) => socket.leave(room)));
				answer();
			});
			socket.on('do', (deeds: Deed[], answer: Done) => {
				for (const deed of deeds) {
					perform(socket.nsp, deed);
				}
				answer();
			});
		});
	}
}

function perform(nsp: Namespace, { say, join, leave, target: { to = [], except = [] } }: Deed): void {
	const there = nsp.to(roomsOf(to)).except(roomsOf(except));
	if (say !== undefined) {
		there.emit('heard', say);
	}
	if (join) {
		there.socketsJoin(roomsOf(join));
	}
	if (leave) {
		there.socketsLeave(roomsOf(leave));
	}
}
