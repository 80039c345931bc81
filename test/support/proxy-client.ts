/** What stands in front of pods in tests: clients that come through a PROXY-protocol proxy, a round-robin proxy, a Service. */
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, isIPv4, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Scope } from './redis-server.ts';

export interface Source {
	readonly address: string;
	readonly port: number;
}

export function buildProxyV1({ address, port }: Source): Buffer {
	const [family, destination] = isIPv4(address) ? ['TCP4', '192.0.2.1'] : ['TCP6', '2001:db8::1'];
	return Buffer.from(`PROXY ${family} ${address} ${destination} ${port} 443\r\n`);
}

/** `address`: IPv4, or IPv6 with all of its eight groups. */
export function buildProxyV2({ address, port }: Source): Buffer {
	const v4 = isIPv4(address);
	const bytes = v4
		? Buffer.from(address.split('.').map(Number))
		: Buffer.from(
				address
					.split(':')
					.map((group) => group.padStart(4, '0'))
					.join(''),
				'hex',
			);
	const ports = Buffer.alloc(4);
	ports.writeUInt16BE(port, 0);
	ports.writeUInt16BE(443, 2);
	const body = Buffer.concat([bytes, bytes, ports]);
	const head = Buffer.from('0d0a0d0a000d0a515549540a2100', 'hex');
	head.writeUInt8(v4 ? 0x11 : 0x21, 13);
	const length = Buffer.alloc(2);
	length.writeUInt16BE(body.length);
	return Buffer.concat([head, length, body]);
}

/** Every connection begins with `preamble`. */
export class PreambleAgent extends Agent {
	readonly #preamble: Buffer;

	constructor(preamble: Buffer) {
		super({ keepAlive: false });
		this.#preamble = preamble;
	}

	override createConnection(options: { host?: string | null; port?: number | string | null }): Duplex {
		const socket = connect({ host: options.host ?? '127.0.0.1', port: Number(options.port) });
		socket.write(this.#preamble);
		return socket;
	}
}

export interface Front {
	readonly url: string;
}

/** An HTTP proxy with up to 8 idle pooled connections to each target, that gives each request and each upgrade to the next one. */
export async function startRoundRobinProxy(t: Scope, targets: readonly string[]): Promise<Front> {
	const pools = targets.map((target) => ({ target: new URL(target), agent: new Agent({ keepAlive: true, maxFreeSockets: 8 }) }));
	const sockets = new Set<Duplex>();
	let turn = 0;
	const forward = (req: IncomingMessage) => {
		const { target, agent } = pools[turn++ % pools.length] as (typeof pools)[number];
		const { method, headers, url } = req;
		return request({ host: target.hostname, port: target.port, agent, method, path: url, headers });
	};
	const server = createServer((req: IncomingMessage, res: ServerResponse) => {
		const upstream = forward(req);
		upstream.on('response', (answer) => {
			res.writeHead(answer.statusCode ?? 502, answer.headers);
			answer.pipe(res);
		});
		upstream.on('error', () => res.destroy());
		res.on('close', () => upstream.destroy());
		req.pipe(upstream);
	});
	server.on('upgrade', (req: IncomingMessage, client: Duplex, head: Buffer) => {
		const upstream = forward(req);
		upstream.on('upgrade', (answer, owner, ownerHead) => {
			const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${String(value)}`);
			client.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
			client.write(ownerHead);
			owner.write(head);
			join(client, owner);
		});
		upstream.on('response', () => client.destroy());
		upstream.on('error', () => client.destroy());
		upstream.end();
	});
	server.on('connection', (socket) => {
		sockets.add(socket);
		socket.on('close', () => sockets.delete(socket));
	});
	t.after(() => {
		server.close();
		for (const socket of sockets) {
			socket.destroy();
		}
		for (const { agent } of pools) {
			agent.destroy();
		}
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** A TCP front like a Service: each connection goes to the first of `ports` that accepts it. */
export async function startService(t: Scope, ports: readonly number[]): Promise<Front> {
	const sockets = new Set<Socket>();
	const dial = (client: Socket, [port, ...others]: readonly number[]): void => {
		if (port === undefined) {
			client.destroy();
			return;
		}
		const upstream = connect(port, '127.0.0.1');
		upstream.once('error', () => dial(client, others));
		upstream.once('connect', () => {
			upstream.removeAllListeners('error');
			join(client, upstream);
		});
	};
	const server = createTcpServer({ allowHalfOpen: true }, (client) => {
		sockets.add(client);
		client.on('close', () => sockets.delete(client)).on('error', () => client.destroy());
		dial(client, ports);
	});
	t.after(() => {
		server.close();
		for (const socket of sockets) {
			socket.destroy();
		}
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Two ends of one connection: what happens to one happens to the other. */
function join(one: Duplex, other: Duplex): void {
	for (const [here, there] of [
		[one, other],
		[other, one],
	] as const) {
		here.on('error', () => there.destroy()).on('close', () => there.destroy());
		here.pipe(there);
	}
}
