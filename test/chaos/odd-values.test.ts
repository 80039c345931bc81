/** What applications put into payloads, answers and `socket.data` ends no worker, neither of who sends it nor of who is sent it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastFirst } from '../support/last-first.ts';
import { IMPOSSIBLE, ODD_WAYS } from '../support/odd-values.ts';
import { type Scope, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { makeRunDir, type NodeProcess, startNode } from './support/node-process.ts';
import { join, type RowClient } from './support/row.ts';

interface Stage {
	readonly nodes: readonly [NodeProcess, NodeProcess];
	/** One on each. */
	readonly clients: readonly [RowClient, RowClient];
}

async function setStage(t: Scope, redisUrl: string): Promise<Stage> {
	const runDir = makeRunDir(t);
	const start = (slot: number): Promise<NodeProcess> => startNode(t, { kind: 'ours', redisUrl, runDir, slot, slots: 2 });
	const nodes = await Promise.all([start(0), start(1)]);
	for (const node of nodes) {
		await waitFor('two servers', async () => (await node.order<number>('servers')) === 2);
	}
	const clients = await Promise.all([join(t, nodes[0].url), join(t, nodes[1].url)]);
	return { nodes, clients };
}

const CARRIERS = {
	'without Redis': () => '',
	'over Redis': async (t: Scope) => (await startRedis(t)).url,
} as const satisfies Readonly<Record<string, (t: Scope) => string | Promise<string>>>;

for (const [carrier, startCarrier] of Object.entries(CARRIERS)) {
	test(`what cannot be encoded ends no worker, ${carrier}`, async (context) => {
		const t = lastFirst(context);
		const { nodes, clients } = await setStage(t, await startCarrier(t));
		const [first, last] = nodes;

		await context.test('in a payload: it throws at the caller', async () => {
			for (const name of IMPOSSIBLE) {
				for (const way of ODD_WAYS) {
					assert.equal(await first.order('odd', { args: [way, name] }), true, `${name}, ${way}`);
				}
			}
		});

		await context.test('in the answer to a client: it throws at who answers', async () => {
			for (const name of IMPOSSIBLE) {
				assert.equal(await clients[0].socket.timeout(20_000).emitWithAck('odd-answer', name), 'refused', name);
			}
		});

		await context.test('in the answer to another server: the answer is lost, and counted', async () => {
			const ask = (name: string) => first.order<{ answers: unknown[]; missing: string[] }>('ask-odd', { args: [name] });
			for (const { answers, missing } of await Promise.all(IMPOSSIBLE.map(ask))) {
				assert.deepEqual(answers, []);
				// Over Redis a server is unknown until its first heartbeat is heard.
				assert.match(missing.join(), /^(AAAA\/1|unknown)$/);
			}
			assert.equal(await last.order('metric', { args: ['socketfleet_redis_errors_total', { reason: 'answer' }] }), IMPOSSIBLE.length);
		});

		await context.test('in socket.data: the rest of it is told', async () => {
			await clients[1].socket.timeout(20_000).emitWithAck('odd-data');
			const { ids, missing, kept } = await first.order<{ ids: string[]; missing: string[]; kept: unknown[] }>('fetch');
			assert.deepEqual(new Set(ids), new Set(clients.map(({ socket }) => socket.id)));
			assert.deepEqual(missing, []);
			assert.equal(kept[ids.indexOf(clients[1].socket.id ?? '')], 'kept');
		});

		for (const node of nodes) {
			await node.order('emit', { args: ['alive', node.pid] });
		}
		await waitFor('messages of both', () => clients.every((client) => client.of('alive').length === nodes.length));
		assert.deepEqual(
			nodes.map((node) => node.exit()),
			[undefined, undefined],
		);
		assert.deepEqual(
			clients.map(({ connects, of }) => [connects.length, of('odd').length]),
			[
				[1, 0],
				[1, 0],
			],
		);
	});
}
