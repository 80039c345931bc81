/** Socket.IO on node:cluster with the official Redis Streams adapter in each worker, recovery on. */
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import setup from './app.ts';
import { readSettings } from './settings.ts';

/** The default of 10,000 would trim what the benchmarks of recovery ask for. */
const MAX_ENTRIES = 1_000_000;

const { workers, redisUrl } = readSettings();
if (cluster.isPrimary) {
	let ready = 0;
	for (let slot = 0; slot < workers; slot++) {
		const worker = cluster.fork({ BENCH_SLOT: String(slot) });
		worker.on('message', ({ port }: { port: number }) => {
			ready++;
			if (ready === workers) {
				console.log(JSON.stringify({ port }));
			}
		});
	}
} else {
	const http = createServer();
	const redis = new Redis(redisUrl);
	const io = new Server(http, {
		adapter: createAdapter(redis, { maxLen: MAX_ENTRIES }),
		connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: false },
	});
	setup(io, { worker: Number(process.env.BENCH_SLOT) });
	// The primary binds one port for all workers and hands connections round.
	http.listen(0, '127.0.0.1', () => {
		const address = http.address();
		process.send?.({ port: typeof address === 'object' ? address?.port : undefined });
	});
}
