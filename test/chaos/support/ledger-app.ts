/** Application of the ledger: clients name their rooms, and speak to them through whichever worker holds them. */
import type { Server } from 'socket.io';
import type { AppContext } from '../../../src/index.ts';

export default function setUp(io: Server, { pod, worker }: AppContext): void {
	io.on('connection', (socket) => {
		const { rooms } = socket.handshake.auth as { rooms?: string[] };
		if (!socket.recovered) {
			void socket.join(rooms ?? []);
		}
		socket.on('say', (room: string, speaker: string, number: number, answer: () => void) => {
			// The sender is a client on one worker: after a while without Redis, what it says through the next one may be there first.
			io.to(room).emit('said', `${speaker} by ${pod}.${worker}`, number);
			answer();
		});
	});
}
