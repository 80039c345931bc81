/** The library against plain Socket.IO servers with the official streams adapter, and against a fleet; Socket.IO's own emitter for comparison. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createNetServer } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createAdapter as createPubSubAdapter } from '@socket.io/redis-adapter';
import { Emitter as OfficialEmitter } from '@socket.io/redis-emitter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { createEmitter } from '../../src/emit/emitter.ts';
import { testEmitter, testReceipts } from '../conformance/emitter.ts';
import setUp from '../fixtures/emit-app.ts';
import { lastFirst } from '../support/last-first.ts';
import { type OfficialServer, startOfficialServer } from '../support/official-server.ts';
import { startPod } from '../support/pod.ts';
import { type Scope, startRedis } from '../support/redis-server.ts';

const APP = fileURLToPath(new URL('../fixtures/emit-app.ts', import.meta.url));

testEmitter(
	{
		name: 'plain servers and the official streams adapter',
		async start(t) {
			// With its Redis gone the official adapter never ends: servers first.
			const scope = lastFirst(t);
			const redis = await startRedis(scope);
			const start = (): Promise<OfficialServer> => startOfficialServer(scope, { redisPort: redis.port, setUp });
			const urls = (await Promise.all([start(), start()])).map(({ url }) => url);
			const emitter = createEmitter({ redis: redis.url, stream: 'socket.io', timeoutMs: 30_000 });
			scope.after(() => emitter.close());
			return { urls, emitter };
		},
	},
	testReceipts,
);

testEmitter(
	{
		name: 'a fleet',
		async start(t) {
			const redis = await startRedis(t);
			const pod = await startPod(t, { app: APP, options: { redisUrl: redis.url, fleet: 'emit-test' } });
			const client = new Redis(redis.port, { lazyConnect: true });
			const emitter = createEmitter({ redis: client, fleet: 'emit-test', timeoutMs: 30_000 });
			t.after(() => emitter.close());
			return { urls: [pod.url], emitter };
		},
	},
	testReceipts,
);

testEmitter({
	name: "Socket.IO's own pub/sub adapter, emitted by Socket.IO's own emitter",
	async start(t) {
		const scope = lastFirst(t);
		const redis = await startRedis(scope);
		const start = (): Promise<string> => startPubSubServer(scope, redis.port);
		const urls = await Promise.all([start(), start()]);
		const client = new Redis(redis.port);
		scope.after(() => client.disconnect());
		return { urls, emitter: new OfficialEmitter(client) };
	},
});

async function startPubSubServer(scope: Scope, redisPort: number): Promise<string> {
	const [publisher, subscriber] = [new Redis(redisPort), new Redis(redisPort)];
	const http = createServer();
	const io = new Server(http, { adapter: createPubSubAdapter(publisher, subscriber) });
	setUp(io);
	await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
	scope.after(async () => {
		await io.close();
		// The adapter awaits none of its last commands: QUIT is answered after them, a disconnect would reject them.
		await Promise.all([publisher.quit(), subscriber.quit()]);
	});
	return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

test('row 19: with Redis away an emit is refused within its deadline, and the emitter recovers by itself', async (t) => {
	const redis = await startRedis(t, { args: ['--appendonly', 'yes'] });
	const emitter = createEmitter({ redis: redis.url, timeoutMs: 1000 });
	t.after(() => emitter.close());
	const patient = createEmitter({ redis: redis.url, timeoutMs: 60_000 });
	t.after(() => patient.close());
	const before = await patient.emit('before');
	await redis.stop();
	await assert.rejects(emitter.emit('lost'), { code: /^ERR_(REDIS|UNREACHABLE)$/ });
	await assert.rejects(emitter.emit('lost too'), { code: 'ERR_REDIS', message: /^not written: Redis was not ready within 1000 ms/ });
	const waiting = patient.emit('after');
	await redis.start();
	const after = await waiting;
	assert.ok(Number(after.id.split('-')[0]) >= Number(before.id.split('-')[0]));
});

test('a frozen Redis costs the deadline, and what it was sent is said to be unknown', async (t) => {
	const redis = await startRedis(t);
	const emitter = createEmitter({ redis: redis.url, timeoutMs: 1000 });
	t.after(() => emitter.close());
	await emitter.emit('first');
	redis.signal('SIGSTOP');
	t.after(() => redis.signal('SIGCONT'));
	await assert.rejects(emitter.emit('unknown'), { code: 'ERR_UNREACHABLE', message: /repeat it with the same idempotency key/ });
});

test('an answer that is lost on the way makes the outcome unknown, and nothing is written twice', async (t) => {
	const redis = await startRedis(t);
	let losesNextAnswer = false;
	const proxy = createNetServer((client) => {
		const upstream = connect(redis.port, '127.0.0.1');
		client.pipe(upstream);
		upstream.on('data', (answer) => {
			if (losesNextAnswer) {
				losesNextAnswer = false;
				client.destroy();
			} else if (!client.destroyed) {
				client.write(answer);
			}
		});
		client.on('error', () => upstream.destroy()).once('close', () => upstream.destroy());
		upstream.on('error', () => client.destroy()).once('close', () => client.destroy());
	});
	await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
	t.after(() => void proxy.close());
	const emitter = createEmitter({
		redis: `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
		stream: 'lossy',
		timeoutMs: 30_000,
	});
	t.after(() => emitter.close());
	await emitter.emit('first');
	losesNextAnswer = true;
	await assert.rejects(emitter.emit('second'), { code: 'ERR_UNREACHABLE', message: /the connection was lost/ });
	await emitter.emit('third');
	const store = new Redis(redis.port);
	t.after(() => store.disconnect());
	assert.equal(await store.xlen('lossy'), 3);
});
