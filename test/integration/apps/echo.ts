/** The application of most tests of a pod: answers, tells where it runs, and does on request what applications do. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'socket.io';
import type { AppContext, AppDefinition } from '../../../src/index.ts';

/** Where a client is held, as the server sees it. */
export interface Where {
	readonly pod: string;
	readonly worker: number;
	readonly address: string;
	readonly transport: string;
	readonly recovered: boolean;
}

type Reply<T> = (value: T) => void;

function setup(io: Server, { pod, worker }: AppContext): void {
	io.on('who', (reply: Reply<string>) => reply(`${pod}/${worker}`));
	io.on('connection', (socket) => {
		socket.on('echo', (value: unknown, reply: Reply<unknown>) => reply(value));
		socket.on('where', (reply: Reply<Where>) => {
			const { handshake, conn, recovered } = socket;
			reply({ pod, worker, address: handshake.address, transport: conn.transport.name, recovered });
		});
		socket.on('join', async (room: string, reply: Reply<string>) => {
			await socket.join(room);
			reply(room);
		});
		socket.on('shout', (room: string, text: string) => io.to(room).emit('heard', text));
		socket.on('announce', (text: string) => io.emit('heard', text));
		socket.on('list', async (reply: Reply<string[]>) => reply((await io.fetchSockets()).map(({ id }) => id)));
		socket.on('ask-servers', async (reply: Reply<string[]>) => reply((await io.serverSideEmitWithAck('who')) as string[]));
		socket.on('flood', (bytes: number) => socket.emit('flooded', Buffer.alloc(bytes)));
	});
}

function http(req: IncomingMessage, res: ServerResponse): void {
	if (req.method !== 'POST') {
		res.end('hello\n');
		return;
	}
	const hash = createHash('sha256');
	req.on('data', (chunk: Buffer) => hash.update(chunk));
	req.on('end', () => res.end(hash.digest('hex')));
}

export default { setup, http } satisfies AppDefinition;
