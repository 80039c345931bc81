/** A plain Socket.IO server with the official streams adapter: what a fleet must get along with. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import type { Scope } from './redis-server.ts';

export interface OfficialServerOptions {
	readonly redisPort: number;
	/** Default: the adapter's own. */
	readonly streamName?: string;
	readonly channelPrefix?: string;
	readonly setUp?: (io: Server) => void | Promise<void>;
}

export interface OfficialServer {
	readonly url: string;
	readonly io: Server;
}

/** Ends before its Redis only in a scope that ends last things first: with Redis gone the adapter never ends. */
export async function startOfficialServer(scope: Scope, options: OfficialServerOptions): Promise<OfficialServer> {
	const { redisPort, setUp, ...names } = options;
	const http = createServer();
	// The adapter's blocking read must fail when Redis ends, or it keeps the process alive.
	const client = new Redis(redisPort, { maxRetriesPerRequest: null, retryStrategy: () => null });
	client.on('error', () => undefined);
	const io = new Server(http, { adapter: createAdapter(client, names), connectionStateRecovery: {} });
	await setUp?.(io);
	await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
	scope.after(async () => {
		await io.close();
		// The adapter awaits none of its last commands: QUIT is answered after them, a disconnect would reject them.
		await client.quit().catch(() => client.disconnect());
	});
	return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, io };
}
