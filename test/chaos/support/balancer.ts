/** A load balancer with no affinity at all: every connection goes to the next server that takes it. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Scope } from '../../support/redis-server.ts';

export interface Balancer {
	readonly url: string;
	setTargets(ports: readonly number[]): void;
}

export async function startBalancer(t: Scope): Promise<Balancer> {
	let targets: readonly number[] = [];
	let turn = 0;
	const sockets = new Set<Socket>();
	const keep = (socket: Socket): void => {
		sockets.add(socket);
		socket.once('close', () => sockets.delete(socket));
		socket.on('error', () => socket.destroy());
	};
	const server = createServer((client) => {
		keep(client);
		const port = targets[turn++ % Math.max(1, targets.length)];
		if (port === undefined) {
			client.destroy();
			return;
		}
		const upstream = connect(port, '127.0.0.1');
		keep(upstream);
		client.pipe(upstream).pipe(client);
		client.once('close', () => upstream.destroy());
		upstream.once('close', () => client.destroy());
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const address = server.address();
	if (address === null || typeof address === 'string') {
		throw new Error('no port');
	}
	t.after(() => {
		server.close();
		for (const socket of sockets) {
			socket.destroy();
		}
	});
	return {
		url: `http://127.0.0.1:${address.port}`,
		setTargets: (ports) => {
			targets = ports;
		},
	};
}
