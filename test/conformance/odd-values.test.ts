/** What becomes of odd values on their way: without Redis the same as over Redis, for every client of a message. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageOf } from '../../src/base/errors.ts';
import { lastFirst } from '../support/last-first.ts';
import { IMPOSSIBLE, isRefused, ODD_NAMES, ODD_VALUES, ODD_VALUES_IN_JSON, ODD_WAYS, type OddValue } from '../support/odd-values.ts';
import { type Scope, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { connectClient, type Node, startAlone, startPodOfNodes, type TestClient, waitForMembership } from './support/nodes.ts';

const REFUSED = 'refused';

interface Outcomes {
	readonly alone: unknown;
	readonly besideBuffer: unknown;
	/** With acknowledgements. */
	readonly asked: unknown;
	readonly toServers: unknown;
	/** Given by the other server as an answer. */
	readonly answered: unknown;
}

/** Beside something binary, and in what wants an answer: the official adapter's MessagePack, which knows no toJSON, and 100 levels. */
const IN_MESSAGE_PACK: Readonly<Partial<Record<OddValue, unknown>>> = {
	'an object with toJSON': REFUSED,
	'an instance with toJSON': { inner: 1 },
	'an instance': { x: 1, unset: null },
	'a Date': '1970-01-01T00:00:00.000Z',
	'a URL': {},
	'a Map': {},
	'a Set': {},
	undefined: null,
	'a property without a value': { a: null, b: [null] },
	NaN: null,
	Infinity: null,
	'a Buffer inside': { deep: [Buffer.from('abc')] },
	'a typed array': Buffer.from(new Float32Array([1, 2]).buffer),
	'an ArrayBuffer': {},
	'300 levels': REFUSED,
	'a function inside': REFUSED,
};

test('odd values: in a pod without Redis as over Redis', async (context) => {
	const t = lastFirst(context);
	const { url } = await startRedis(t);
	const withoutRedis = await observe(t, await startPodOfNodes(t, 2));
	const overRedis = await observe(t, await startPodOfNodes(t, 2, { redisUrl: url }));
	for (const name of ODD_NAMES) {
		await context.test(name, () => assert.deepEqual(withoutRedis.get(name), overRedis.get(name)));
	}

	await context.test('as JSON has them', () => {
		for (const [name, outcome] of Object.entries(ODD_VALUES_IN_JSON)) {
			assert.deepEqual(withoutRedis.get(name as OddValue)?.alone, [outcome, outcome], name);
		}
	});
	await context.test('as MessagePack has them', () => {
		for (const [name, outcome] of Object.entries(IN_MESSAGE_PACK)) {
			assert.deepEqual(withoutRedis.get(name as OddValue)?.besideBuffer, outcome === REFUSED ? REFUSED : [outcome, outcome], name);
		}
	});
	await context.test('what nothing can encode is refused', () => {
		for (const name of IMPOSSIBLE) {
			assert.deepEqual(withoutRedis.get(name), {
				alone: REFUSED,
				besideBuffer: REFUSED,
				asked: REFUSED,
				toServers: REFUSED,
				answered: 'lost',
			});
		}
	});
});

test('what one process refuses, a fleet refuses at the same place', async (context) => {
	const t = lastFirst(context);
	const { url } = await startRedis(t);
	const nodes: readonly Node[] = [
		await startAlone(t),
		...(await startPodOfNodes(t, 1)),
		...(await startPodOfNodes(t, 1, { redisUrl: url })),
	];
	// One process has no other servers to talk to.
	for (const way of ODD_WAYS.filter((each) => each.startsWith('emit'))) {
		for (const name of IMPOSSIBLE) {
			for (const node of nodes) {
				assert.equal(await isRefused(node.io.of('/'), way, name), true, `${name}, ${way}`);
			}
		}
	}
});

interface Pair {
	readonly first: Node;
	/** One on each server. */
	readonly clients: readonly TestClient[];
	/** Name and value of what the other server was told. */
	readonly noticed: readonly (readonly [OddValue, unknown])[];
}

async function observe(t: Scope, nodes: readonly Node[]): Promise<ReadonlyMap<OddValue, Outcomes>> {
	const [first, last] = nodes;
	assert.ok(first && last);
	const noticed: [OddValue, unknown][] = [];
	last.io.on('notice', (name: OddValue, value: unknown) => noticed.push([name, value]));
	last.io.on('value', (name: OddValue, answer: (value: unknown) => void) => answer(ODD_VALUES[name]()));
	await waitForMembership(nodes, nodes.length);
	const clients = await Promise.all(nodes.map((node) => connectClient(t, node)));
	clients.forEach(({ socket }, client) => {
		socket.on('asked', (value: unknown, answer: (got: unknown) => void) => answer({ client, value }));
	});
	const pair: Pair = { first, clients, noticed };
	// All at once: an answer that is lost is waited for.
	return new Map(await Promise.all(ODD_NAMES.map(async (name): Promise<[OddValue, Outcomes]> => [name, await observeOne(pair, name)])));
}

async function observeOne(pair: Pair, name: OddValue): Promise<Outcomes> {
	return {
		alone: await emitted(pair, name, []),
		besideBuffer: await emitted(pair, name, [Buffer.from('b')]),
		asked: await acknowledged(pair, name),
		toServers: await told(pair, name),
		answered: await pair.first.io.serverSideEmitWithAck('value', name).catch(() => 'lost'),
	};
}

/** What each client was sent. */
async function emitted({ first, clients }: Pair, name: OddValue, beside: readonly Buffer[]): Promise<unknown> {
	const event = `${name} beside ${beside.length}`;
	if (isThrown(() => first.io.emit(event, ODD_VALUES[name](), ...beside))) {
		return REFUSED;
	}
	await waitFor(`${event} everywhere`, () => clients.every(({ received }) => received(event).length === 1));
	return clients.map(({ received }) => received(event)[0]?.[1]);
}

/** What each client was sent, in its own answer. */
async function acknowledged({ first }: Pair, name: OddValue): Promise<unknown> {
	try {
		const answers: { client: number }[] = await first.io.timeout(20_000).emitWithAck('asked', ODD_VALUES[name]());
		return answers.sort((a, b) => a.client - b.client);
	} catch (error) {
		assert.doesNotMatch(messageOf(error), /timed out/);
		return REFUSED;
	}
}

async function told({ first, noticed }: Pair, name: OddValue): Promise<unknown> {
	if (isThrown(() => first.io.serverSideEmit('notice', name, ODD_VALUES[name]()))) {
		return REFUSED;
	}
	const [, value] = await waitFor(`${name} at the other server`, () => noticed.find(([told]) => told === name));
	return value;
}

function isThrown(send: () => void): boolean {
	try {
		send();
		return false;
	} catch {
		return true;
	}
}
