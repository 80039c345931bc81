/** The library against plain Socket.IO servers with the official streams adapter, and against a fleet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { createEmitter } from '../../src/emit/emitter.ts';
import { testEmitter } from '../conformance/emitter.ts';
import setUp from '../fixtures/emit-app.ts';
import { lastFirst } from '../support/last-first.ts';
import { type OfficialServer, startOfficialServer } from '../support/official-server.ts';
import { startPod } from '../support/pod.ts';
import { startRedis } from '../support/redis-server.ts';

const APP = fileURLToPath(new URL('../fixtures/emit-app.ts', import.meta.url));

testEmitter({
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
});

testEmitter({
	name: 'a fleet',
	async start(t) {
		const redis = await startRedis(t);
		const pod = await startPod(t, { app: APP, options: { redisUrl: redis.url, fleet: 'emit-test' } });
		const client = new Redis(redis.port, { lazyConnect: true });
		const emitter = createEmitter({ redis: client, fleet: 'emit-test', timeoutMs: 30_000 });
		t.after(() => emitter.close());
		return { urls: [pod.url], emitter };
	},
});

test('with Redis away an emit is refused within its deadline, and the emitter recovers by itself', async (t) => {
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
