/** The emit API inside real pods: a fleet of two, and one pod without Redis. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lastFirst } from '../support/last-first.ts';
import { type Pod, startPod } from '../support/pod.ts';
import { startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { connectWitness } from '../support/witness.ts';

const APP = fileURLToPath(new URL('../fixtures/emit-app.ts', import.meta.url));
const PATIENCE = { timeoutMs: 60_000, everyMs: 100 };
const TOKEN = 'token-of-the-emit-fleet';

interface Reply {
	readonly status: number;
	readonly body: {
		readonly sockets?: unknown;
		readonly rooms?: unknown;
		readonly missing?: readonly string[];
		readonly id?: string;
		readonly code?: string;
	};
}

async function call({ ports }: Pod, path: string, body?: object): Promise<Reply> {
	const response = await fetch(`http://127.0.0.1:${ports.api}${path}`, {
		headers: { authorization: `Bearer ${TOKEN}`, connection: 'close' },
		...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
		signal: AbortSignal.timeout(20_000),
	});
	return { status: response.status, body: (await response.json()) as Reply['body'] };
}

test('presence counts the whole fleet; a worker that does not answer is named', async (t) => {
	const scope = lastFirst(t);
	const redis = await startRedis(scope);
	const options = { redisUrl: redis.url, apiTokens: TOKEN, workers: 1 };
	const start = (): Promise<Pod> => startPod(scope, { app: APP, options });
	const [asked, other] = await Promise.all([start(), start()]);
	await connectWitness(scope, asked.url, { rooms: ['red'] });
	await connectWitness(scope, other.url, { rooms: ['red', 'blue'] });
	const whole = { sockets: 2, rooms: { red: 2, blue: 1 }, missing: [] };
	await waitFor('both pods to be counted', async () => JSON.stringify((await call(asked, '/presence')).body) === JSON.stringify(whole));

	const { pod, workers } = await other.status();
	const [worker] = workers;
	assert.ok(worker);
	// Named once its heartbeat is known, and missed until its membership ends: freeze it anew if this came too early or too late.
	const partial = await waitFor(
		'an answer that names the worker it lacks',
		async () => {
			assert.deepEqual((await call(asked, '/presence')).body.missing, []);
			process.kill(worker.pid, 'SIGSTOP');
			try {
				const { body } = await call(asked, '/presence?room=red');
				return body.missing?.includes(`${pod}/0`) ? body : undefined;
			} finally {
				process.kill(worker.pid, 'SIGCONT');
			}
		},
		PATIENCE,
	);
	assert.deepEqual(partial, { sockets: 1, rooms: { red: 1 }, missing: [`${pod}/0`] });
});

test('without Redis the API reaches the clients of its own pod, and keeps nothing', async (t) => {
	const pod = await startPod(t, { app: APP, options: { apiTokens: TOKEN } });
	const witness = await connectWitness(t, pod.url, { rooms: ['lobby'] });
	await waitFor('messages to flow between the workers', async () => {
		assert.equal((await call(pod, '/emit', { event: 'warm-up' })).status, 202);
		return witness.has('warm-up');
	});
	const { status, body } = await call(pod, '/emit', { event: 'news', args: [{ $binary: 'AQI=' }], rooms: ['lobby'] });
	assert.equal(status, 202);
	assert.match(body.id ?? '', /^local-\d+$/);
	await waitFor('the event', () => witness.has('news'));
	assert.deepEqual(
		witness.events.find(([name]) => name === 'news'),
		['news', Buffer.from([1, 2])],
	);
	assert.equal((await call(pod, '/emit', { event: 'x', idempotencyKey: 'k' })).body.code, 'ERR_VALIDATION');
	assert.equal((await call(pod, '/emit', { event: 'x', namespace: '/nowhere' })).status, 404);
	assert.equal((await call(pod, '/rooms', { rooms: ['lobby'], join: ['next'] })).status, 202);
	await waitFor(
		'the client to have moved',
		async () => JSON.stringify((await call(pod, '/presence?room=next')).body.rooms) === '{"next":1}',
	);
	assert.equal((await call(pod, '/disconnect', { rooms: ['next'] })).status, 202);
	await waitFor('the client to be disconnected', () => !witness.socket.connected);
});
