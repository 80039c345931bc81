/** Why what was missed goes out behind CONNECT, and not before it as with Socket.IO itself: a connection that breaks between the two. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { lastFirst } from '../support/last-first.ts';
import { type Scope, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { startNode } from './support/node-process.ts';
import { drop, giveOffset, join, type RowClient } from './support/row.ts';
import { readOwners } from './support/session-records.ts';

const WAIT = { timeoutMs: 60_000 };

/** What the client gets to see, in order. */
function watch({ socket }: RowClient): string[] {
	const seen: string[] = [];
	socket.on('connect', () => seen.push(`connect ${socket.recovered ? 'recovered' : 'anew'}`));
	socket.on('missed', () => seen.push('missed'));
	return seen;
}

/** A plain server with recovery in memory. `hold` keeps those who come in their middlewares. */
async function startPlain(t: Scope): Promise<{ url: string; io: Server; hold(isHeld: boolean): void }> {
	let isHeld = false;
	const http = createServer();
	const io = new Server(http, { connectionStateRecovery: { skipMiddlewares: false } });
	io.use((_socket, next) => {
		if (!isHeld) {
			next();
		}
	});
	t.after(() => io.close());
	await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
	return {
		url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
		io,
		hold: (value) => {
			isHeld = value;
		},
	};
}

test('Socket.IO sends what was missed before CONNECT: if the connection breaks in between, the stock client hears it twice', async (context) => {
	const t = lastFirst(context);
	const { url, io, hold } = await startPlain(t);
	const client = await join(t, url);
	const seen = watch(client);
	io.emit('hello', 'x');
	await waitFor('the client to hear', () => client.of('hello').length === 1, WAIT);
	const first = drop(client);
	await waitFor('the client to be gone', () => io.of('/').sockets.size === 0, WAIT);
	io.emit('missed', 1);
	hold(true);
	const isOnTheWire = new Promise<void>((resolve) => {
		client.socket.io.on('packet', ({ data }) => JSON.stringify(data).includes('missed') && resolve());
	});
	first.letBack();
	await isOnTheWire;
	const second = drop(client);
	hold(false);
	second.letBack();
	await waitFor('the client to be back', () => client.connects.length === 2, WAIT);
	assert.deepEqual(seen, ['missed', 'missed', 'connect recovered']);
});

test('here it goes out behind CONNECT: a connection that breaks before takes nothing along, and the next one brings it once', async (context) => {
	const t = lastFirst(context);
	const redis = await startRedis(t);
	const direct = new Redis(redis.url, { replyMapping: 'legacy' });
	t.after(() => direct.disconnect());
	const node = await startNode(t, { kind: 'ours', redisUrl: redis.url });
	const client = await join(t, node.url);
	const seen = watch(client);
	await giveOffset(node, client);
	const first = drop(client);
	await waitFor('its session to be free', async () => (await readOwners(direct))[0] === '', WAIT);
	await node.order('emit', { args: ['missed', 1] });
	// Far longer than the test: this connection never gets its CONNECT.
	client.socket.auth = { delayMs: 600_000 };
	first.letBack();
	await waitFor('its session to be taken', async () => Boolean((await readOwners(direct))[0]), WAIT);
	const second = drop(client);
	client.socket.auth = {};
	second.letBack();
	await waitFor('what it missed', () => client.of('missed').length > 0, WAIT);
	// What would come again, would come before this.
	await node.order('emit', { args: ['last', 1] });
	await waitFor('what comes next', () => client.of('last').length === 1, WAIT);
	assert.deepEqual(seen, ['connect recovered', 'missed']);
});
