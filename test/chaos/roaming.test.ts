/** When sessions come to be in Redis, and clients that are elsewhere before theirs is: back in another pod, the old connection still alive. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Socket } from 'socket.io-client';
import { lastFirst } from '../support/last-first.ts';
import { type Scope, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { type NodeProcess, startNode } from './support/node-process.ts';
import { join, type RowClient } from './support/row.ts';
import { forgetSessions, readSessions } from './support/session-records.ts';

const WAIT = { timeoutMs: 60_000 };
const CLIENTS = 90;
const WIDTH = 6;
/** Sessions are saved that long after the first event, at most. */
const LONGEST_MS = 200;
/** Old connections must not end by themselves. */
const OPTIONS = { pingIntervalMs: 300_000, pingTimeoutMs: 300_000 };

function openRedis(t: Scope, url: string): Redis {
	const redis = new Redis(url, { replyMapping: 'legacy' });
	t.after(() => redis.disconnect());
	return redis;
}

/** What the stock client comes back with. */
function ticketOf(socket: Socket): { readonly pid: unknown; readonly offset: unknown } {
	const { _pid, _lastOffset } = socket as unknown as { _pid: unknown; _lastOffset: unknown };
	return { pid: _pid, offset: _lastOffset };
}

/** A client that has just been sent its first event by `node`. */
async function joinAndHear(t: Scope, node: NodeProcess): Promise<RowClient> {
	const client = await join(t, node.url, { rooms: ['hall'], reconnection: false });
	await node.order('emit', { rooms: [client.socket.id ?? ''], args: ['hello', 'x'] });
	await waitFor('the first event', () => client.of('hello').length === 1, WAIT);
	return client;
}

/** The same client on another connection: the old one is neither closed nor told. */
const comeBack = (t: Scope, node: NodeProcess, { socket }: RowClient): Promise<RowClient> => join(t, node.url, { auth: ticketOf(socket) });

test('a client that roams within 200 ms of its first event, the old connection still alive, is recovered', async (context) => {
	const t = lastFirst(context);
	const redis = await startRedis(t);
	const start = (pod: string): Promise<NodeProcess> => startNode(t, { kind: 'ours', redisUrl: redis.url, pod, options: OPTIONS });
	const [first, second] = await Promise.all([start('AAAA'), start('BBBB')]);
	const pairs: { readonly before: RowClient; readonly after: RowClient; readonly id: string | undefined }[] = [];
	const roam = async (index: number): Promise<void> => {
		const before = await joinAndHear(t, first);
		const { id } = before.socket;
		await delay((index / CLIENTS) * LONGEST_MS);
		pairs.push({ before, after: await comeBack(t, second, before), id });
	};
	let next = 0;
	await Promise.all(
		Array.from({ length: WIDTH }, async () => {
			while (next < CLIENTS) {
				await roam(next++);
			}
		}),
	);
	const refused = pairs.filter(({ after, id }) => after.socket.id !== id);
	assert.equal(refused.length, 0, `${refused.length} of ${CLIENTS} were refused`);
	await waitFor('the old connections to end', () => pairs.every(({ before }) => !before.socket.connected), WAIT);
	await second.order('emit', { rooms: ['hall'], args: ['live', 1] });
	await waitFor('all to hear', () => pairs.every(({ after }) => after.of('live').length > 0), WAIT);
	assert.ok(pairs.every(({ after }) => after.of('live').length === 1 && after.of('hello').length === 0));
});

for (const [name, signal] of [
	['died', 'SIGKILL'],
	['hangs', 'SIGSTOP'],
] as const) {
	test(`a client whose worker ${name} before the session was saved is refused, and not kept waiting for it`, async (context) => {
		const t = lastFirst(context);
		const redis = await startRedis(t);
		const start = (pod: string): Promise<NodeProcess> => startNode(t, { kind: 'ours', redisUrl: redis.url, pod, options: OPTIONS });
		const [first, second] = await Promise.all([start('AAAA'), start('BBBB')]);
		const before = await joinAndHear(t, first);
		const { id } = before.socket;
		first.kill(signal);
		const direct = openRedis(t, redis.url);
		// It may have been saved all the same by now.
		await forgetSessions(direct);
		const began = performance.now();
		const after = await comeBack(t, second, before);
		// The worker is given a second; the restore as a whole ten.
		assert.ok(performance.now() - began < 8000);
		assert.notEqual(after.socket.id, id);
		assert.equal(await second.order('metric', { args: ['socketfleet_recovery_total'] }), 1);
	});
}

test('a client that was sent nothing leaves nothing in Redis; its session is there once it was, with the rooms that it joined meanwhile', async (context) => {
	const t = lastFirst(context);
	const redis = await startRedis(t);
	const direct = openRedis(t, redis.url);
	const node = await startNode(t, { kind: 'ours', redisUrl: redis.url, options: OPTIONS });
	const silent = await join(t, node.url, { rooms: ['hall'] });
	const addressed = await joinAndHear(t, node);
	const saved = await waitFor('a session', async () => (await readSessions(direct))[0], WAIT);
	assert.equal(saved.sid, addressed.socket.id);
	assert.deepEqual(new Set(saved.stays.map(({ room }) => room)), new Set([saved.sid, 'hall']));
	// The one that was there before would have been saved with it, or before.
	assert.equal((await readSessions(direct)).length, 1);
	await node.order('emit', { rooms: ['hall'], args: ['all', 1] });
	await waitFor('the other session', async () => (await readSessions(direct)).some(({ sid }) => sid === silent.socket.id), WAIT);
});
