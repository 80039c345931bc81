// The application of the kind suite, mounted from a ConfigMap: rooms, acknowledged publishing, a way to burn CPU, and one to crash.
import { defineApp } from 'socketfleet';

let here = '';

export default defineApp({
	setup(io, { pod, worker }) {
		here = pod;
		io.on('connection', (socket) => {
			if (process.env.FAULT === 'crash') {
				throw new Error('a fault that the test made');
			}
			socket.emit('hello', { pod, worker });
			socket.on('where', (done) => done({ pod, worker, address: socket.handshake.address }));
			socket.on('join', async (room, done) => {
				await socket.join(room);
				done();
			});
			// Acknowledged once the adapter has taken it.
			socket.on('publish', (room, id, done) => {
				io.to(room).emit('message', id);
				done();
			});
			socket.on('members', async (room, done) => {
				const sockets = await io.in(room).fetchSockets();
				done(sockets.map(({ id }) => id));
			});
		});
	},
	http(req, res) {
		const url = new URL(req.url ?? '/', 'http://app');
		const burnMs = Math.min(Number(url.searchParams.get('burnMs') ?? 0), 1000);
		for (const until = Date.now() + burnMs; Date.now() < until; );
		res.setHeader('x-pod', here).end('ok\n');
	},
});
