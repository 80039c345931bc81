/** The application that every subject runs. It imports nothing, so that it can be loaded without TypeScript. */
import type { Server } from 'socket.io';

interface Burst {
	/** Messages go to these in turn. */
	readonly rooms: readonly string[];
	readonly count: number;
	readonly perSecond: number;
	/** Length of the text that each message carries. */
	readonly bytes: number;
}

const TICK_MS = 10;

export default function setup(io: Server, { worker }: { readonly worker: number }): void {
	io.on('connection', (socket) => {
		const rooms = String(socket.handshake.query.rooms ?? '');
		void socket.join(rooms.split(',').filter(Boolean));

		socket.on('where', (done: (worker: number) => void) => done(worker));
		socket.on('join', async (room: string, done: () => void) => {
			await socket.join(room);
			done();
		});
		socket.on('echo', (value: unknown) => socket.emit('echo', value));
		socket.on('say', (room: string, value: unknown) => io.to(room).emit('said', value));
		socket.on('say-local', (room: string, value: unknown) => io.local.to(room).emit('said', value));
		/** Bytes of this process's heap after a collection, for which it needs `--expose-gc`. */
		socket.on('heap', (done: (bytes: number | undefined) => void) => {
			globalThis.gc?.();
			done(globalThis.gc && process.memoryUsage().heapUsed);
		});
		/** Answers with the number of messages when the last one is sent. */
		socket.on('burst', (burst: Burst, done: (sent: number) => void) => runBurst(burst, done));
	});

	function runBurst({ rooms, count, perSecond, bytes }: Burst, done: (sent: number) => void): void {
		const text = 'x'.repeat(bytes);
		const startedAt = performance.now();
		let sent = 0;
		const timer = setInterval(() => {
			const due = Math.min(count, Math.floor(((performance.now() - startedAt) / 1000) * perSecond));
			for (; sent < due; sent++) {
				// The number first: with recovery on the last text of an event is its offset.
				io.to(rooms[sent % rooms.length] ?? '').emit('burst', sent, text);
			}
			if (sent >= count) {
				clearInterval(timer);
				done(sent);
			}
		}, TICK_MS);
	}
}
