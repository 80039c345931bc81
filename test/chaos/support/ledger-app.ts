/** Application of the ledger: clients are in rooms, move between them, are moved by others, and speak through whichever worker holds them. */
import type { Server } from 'socket.io';
import type { AppContext } from '../../../src/index.ts';

type Receipt = [sender: string, number: number];

export interface Move {
	readonly join?: readonly string[];
	readonly leave?: readonly string[];
}

export default function setUp(io: Server, { pod, worker }: AppContext): void {
	const numbers = new Map<string, number>();
	/** This process is the sender, and numbers what it sends to each room: a hole in them is a message lost. */
	const say = (room: string, what: string): Receipt => {
		const sender = `${pod}.${worker} pid ${process.pid} to ${room}`;
		const number = (numbers.get(room) ?? 0) + 1;
		numbers.set(room, number);
		io.to(room).emit('said', room, sender, number, what);
		return [sender, number];
	};
	io.on('connection', (socket) => {
		const { rooms } = socket.handshake.auth as { rooms?: string[] };
		if (!socket.recovered) {
			void socket.join(rooms ?? []);
		}
		socket.on('say', (room: string, what: string, answer: (receipt: Receipt) => void) => answer(say(room, what)));
		socket.on('join', async (joined: string[], answer: () => void) => {
			await socket.join(joined);
			answer();
		});
		socket.on('leave', async (left: string[], answer: () => void) => {
			await Promise.all(left.map(async (room) => socket.leave(room)));
			answer();
		});
		socket.on('rooms', (answer: (rooms: string[]) => void) => answer([...socket.rooms].filter((room) => room !== socket.id)));
		// Another client's, wherever it is. What is sent to the rooms next finds it there, and what tells it comes last.
		socket.on('move', (id: string, { join = [], leave = [] }: Move, token: string, answer: () => void) => {
			io.in(id).socketsJoin([...join]);
			io.in(id).socketsLeave([...leave]);
			const receipts = join.map((room) => [room, ...say(room, `${token} ${room}`)]);
			io.to(id).emit('moved', token, receipts);
			answer();
		});
	});
}
