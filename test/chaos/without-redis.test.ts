/** A pod without Redis: siblings that die or freeze, and clients that do not read. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { lastFirst } from '../support/last-first.ts';
import type { Scope } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { makeRunDir, type NodeProcess, startNode } from './support/node-process.ts';
import { join } from './support/row.ts';

interface Answer {
	readonly ids: readonly string[];
	readonly answers: readonly string[];
	readonly missing: readonly string[];
}

async function startPod(t: Scope, slots: number): Promise<readonly NodeProcess[]> {
	const runDir = makeRunDir(t);
	const start = (slot: number): Promise<NodeProcess> => startNode(t, { kind: 'ours', redisUrl: '', runDir, pod: 'AAAA', slot, slots });
	const nodes = await Promise.all(Array.from({ length: slots }, (_, slot) => start(slot)));
	for (const node of nodes) {
		await waitFor(`${slots} servers`, async () => (await node.order<number>('servers')) === slots);
	}
	return nodes;
}

test('a sibling that is killed is missing in no answer, also in one that was waited for', async (context) => {
	const t = lastFirst(context);
	const [asking, killed] = await startPod(t, 2);
	assert.ok(asking && killed);
	const client = await join(t, asking.url);
	// Frozen, it is asked and does not answer.
	killed.kill('SIGSTOP');
	const fetched = asking.order<Answer>('fetch');
	const asked = asking.order<Answer>('ask');
	await asking.order('ping');
	killed.kill('SIGKILL');
	assert.deepEqual([(await fetched).ids, (await fetched).missing], [[client.socket.id], []]);
	assert.deepEqual([(await asked).answers, (await asked).missing], [[], []]);
	assert.equal(await asking.order('servers'), 1);
});

test('a frozen sibling makes the answer partial, by name', async (context) => {
	const t = lastFirst(context);
	const [asking, answering, frozen] = await startPod(t, 3);
	assert.ok(asking && answering && frozen);
	const client = await join(t, answering.url);
	frozen.kill('SIGSTOP');
	const [fetched, asked] = await Promise.all([asking.order<Answer>('fetch'), asking.order<Answer>('ask')]);
	assert.deepEqual([fetched.ids, fetched.missing], [[client.socket.id], ['AAAA/2']]);
	assert.deepEqual([asked.answers, asked.missing], [['AAAA'], ['AAAA/2']]);
	frozen.kill('SIGCONT');
	const whole = await waitFor('a whole answer', async () => {
		const answer = await asking.order<Answer>('ask');
		return answer.missing.length === 0 && answer;
	});
	assert.equal(whole.answers.length, 2);
});

test('a client that does not read is cut off', async (context) => {
	const t = lastFirst(context);
	const options = { maxBufferedBytes: 20_000_000, pingIntervalMs: 60_000, pingTimeoutMs: 60_000 };
	const node = await startNode(t, { kind: 'ours', redisUrl: '', options });
	const socket = new WebSocket(`${node.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
	t.after(() => socket.terminate());
	await once(socket, 'message');
	socket.send('40');
	await once(socket, 'message');
	socket.pause();
	await node.order('emit-local', { args: ['bulk', 50, 900_000] });
	await waitFor('the server to let go of it', async () => (await node.order<{ sockets: number }>('state')).sockets === 0);
	assert.equal(await node.order('metric', { args: ['socketfleet_slow_consumers_total'] }), 1);
});
