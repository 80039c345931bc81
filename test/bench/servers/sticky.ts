/** Socket.IO on node:cluster with @socket.io/sticky, as its README shows it. */
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import { setupMaster, setupWorker } from '@socket.io/sticky';
import { Server } from 'socket.io';
import setup from './app.ts';
import { announce, readSettings } from './settings.ts';

if (cluster.isPrimary) {
	const { workers } = readSettings();
	const http = createServer();
	setupMaster(http, { loadBalancingMethod: 'least-connection' });
	cluster.setupPrimary({ serialization: 'advanced' });
	let ready = 0;
	for (let slot = 0; slot < workers; slot++) {
		cluster.fork({ BENCH_SLOT: String(slot) }).once('message', () => {
			ready++;
			if (ready === workers) {
				http.listen(0, '127.0.0.1', () => announce(http));
			}
		});
	}
} else {
	const io = new Server(createServer());
	setupWorker(io);
	setup(io, { worker: Number(process.env.BENCH_SLOT) });
	process.send?.('ready');
}
