/** Application of the ledger: clients name their rooms, and speak to them through whichever worker holds them. */
import type { Server } from 'socket.io';
import type { AppContext } from '../../../src/index.ts';

export default function setUp(io: Server, { pod, worker }: AppContext): void {
	const numbers = new Map<string, number>();
	io.on('connection', (socket) => {
		const { rooms } = socket.handshake.auth as { rooms?: string[] };
		if (!socket.recovered) {
			void socket.join(rooms ?? []);
		}
		socket.on('say', (room: string, what: string, answer: (receipt: [sender: string, number: number]) => void) => {
			// This process is the sender, and numbers what it sends to each room: a hole in them is a message lost.
			const sender = `${pod}.${worker} pid ${process.pid} to ${room}`;
			const number = (numbers.get(room) ?? 0) + 1;
			numbers.set(room, number);
			io.to(room).emit('said', sender, number, what);
			answer([sender, number]);
		});
	});
}
