/** Application of the ledger: clients name their rooms, and speak to them through whichever worker holds them. */
import type { Server } from 'socket.io';

export default function setUp(io: Server): void {
	io.on('connection', (socket) => {
		const { rooms } = socket.handshake.auth as { rooms?: string[] };
		if (!socket.recovered) {
			void socket.join(rooms ?? []);
		}
		socket.on('say', (room: string, speaker: string, number: number, answer: () => void) => {
			io.to(room).emit('said', speaker, number);
			answer();
		});
	});
}
