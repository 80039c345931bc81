/** A TCP proxy: in front of servers, so that a client comes back to another one; or in front of Redis, so that replies get lost. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Scope } from '../../support/redis-server.ts';

export interface Front {
	readonly port: number;
	readonly url: string;
	/** Where new connections go. */
	setTarget(port: number): void;
	/** Ends every connection, as a network that fails does. */
	cut(): void;
	/** What the target says is kept from the clients until `cut()`. */
	holdReplies(hold: boolean): void;
	/** Ends every connection that is open now in the middle of the next thing that the target says on it. */
	cutMidReply(): void;
	/** Connections that are open now: nothing passes any more, and neither side is told when the other goes. */
	swallow(): void;
}

/** `alter` changes what the target says on its way. */
export async function startFront(t: Scope, target: number, alter = (data: Buffer): Buffer => data): Promise<Front> {
	let port = target;
	let holding = false;
	const swallowed = new Set<Socket>();
	const doomed = new Set<Socket>();
	const pairs = new Set<readonly [Socket, Socket]>();
	const server = createServer((client) => {
		const upstream = connect(port, '127.0.0.1');
		const pair = [client, upstream] as const;
		pairs.add(pair);
		client.on('data', (data) => {
			if (!swallowed.has(client)) {
				upstream.write(data);
			}
		});
		upstream.on('data', (data) => {
			if (doomed.delete(client)) {
				client.end(data.subarray(0, data.length >> 1));
				upstream.destroy();
			} else if (!holding && !swallowed.has(client)) {
				client.write(alter(data));
			}
		});
		for (const socket of pair) {
			socket.on('error', () => socket.destroy());
			socket.once('close', () => {
				if (swallowed.has(client)) {
					return;
				}
				pairs.delete(pair);
				doomed.delete(client);
				// What was said last may still be on its way.
				client.destroySoon();
				upstream.destroy();
			});
		}
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const address = server.address();
	if (address === null || typeof address === 'string') {
		throw new Error('no port');
	}
	const cut = (): void => {
		for (const pair of pairs) {
			for (const socket of pair) {
				socket.destroy();
			}
		}
	};
	t.after(() => {
		server.close();
		cut();
	});
	return {
		port: address.port,
		url: `http://127.0.0.1:${address.port}`,
		setTarget: (next) => {
			port = next;
		},
		cut,
		cutMidReply: () => {
			for (const [client] of pairs) {
				doomed.add(client);
			}
		},
		holdReplies: (hold) => {
			holding = hold;
		},
		swallow: () => {
			for (const [client] of pairs) {
				swallowed.add(client);
			}
		},
	};
}
