/**
 * The least that placing connections on workers costs in Node: plain Socket.IO in 2 workers, with nothing around it. `hand-over`: a primary
 * accepts and sends each connection to a worker in turn. `shared`: the workers accept from one listening handle.
 */
import cluster, { type Worker } from 'node:cluster';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { Server } from 'socket.io';
import setup from './app.ts';
import { announce, readSettings } from './settings.ts';

const { workers, bare } = readSettings();
if (bare === 'shared') {
	cluster.schedulingPolicy = cluster.SCHED_NONE;
}

if (cluster.isPrimary) {
	const forked = Array.from({ length: workers }, (_, slot) => cluster.fork({ BENCH_SLOT: String(slot) }));
	let next = 0;
	const acceptor = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
		(forked[next++ % workers] as Worker).send('connection', socket);
	});
	let ready = 0;
	for (const worker of forked) {
		worker.once('message', (port: number) => {
			ready++;
			if (ready < workers) {
				return;
			}
			if (bare === 'shared') {
				console.log(JSON.stringify({ port }));
			} else {
				acceptor.listen(0, '127.0.0.1', () => announce(acceptor));
			}
		});
	}
} else {
	const http = createHttpServer();
	setup(new Server(http), { worker: Number(process.env.BENCH_SLOT) });
	if (bare === 'shared') {
		http.listen(0, '127.0.0.1', () => {
			const address = http.address();
			process.send?.(typeof address === 'object' ? address?.port : undefined);
		});
	} else {
		process.on('message', (_message, handle) => {
			const socket = handle as Socket;
			http.emit('connection', socket);
			socket.resume();
		});
		process.send?.(0);
	}
}
