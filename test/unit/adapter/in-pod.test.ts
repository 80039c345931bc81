import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { encode } from '@msgpack/msgpack';
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { Server } from 'socket.io';
import { createFleetAdapter } from '../../../src/adapter/create.ts';
import { missingOf, PartialAnswerError } from '../../../src/adapter/servers/partial-answer.ts';
import { createSilentLogger } from '../../../src/base/log.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { createMetrics, type Metrics } from '../../../src/metrics/registry.ts';
import { IMPOSSIBLE, isRefused, ODD_NAMES, ODD_VALUES, ODD_WAYS } from '../../support/odd-values.ts';
import { FakePod } from './fake-bus.ts';

interface Worker {
	readonly io: Server;
	readonly metrics: Metrics;
}

async function startWorker(t: TestContext, pod: FakePod, slot: number): Promise<Worker> {
	const { config } = loadConfig({ env: {}, flags: {}, cwd: '/nonexistent' });
	const metrics = createMetrics();
	const deps = { config, redis: undefined, metrics, log: createSilentLogger(), owner: { pod: 'AAAA', slot } };
	const fleet = await createFleetAdapter({ ...deps, bus: pod.connect(slot) });
	t.after(() => fleet.close());
	return { io: new Server({ adapter: fleet.adapter }), metrics };
}

async function startTwo(t: TestContext): Promise<{ readonly pod: FakePod; readonly first: Worker; readonly last: Worker }> {
	const pod = new FakePod();
	return { pod, first: await startWorker(t, pod, 0), last: await startWorker(t, pod, 1) };
}

/** Reason -> count. */
async function countOf({ metrics }: Worker, name: string): Promise<Record<string, number>> {
	const family = (await metrics.snapshot()).own.find((candidate) => candidate.name === name);
	return Object.fromEntries((family?.samples ?? []).map(({ labels, value }) => [labels.reason ?? '', value]));
}

test('an entry on the bus has the fields that the official adapter gives to XADD', async (t) => {
	const { pod, first } = await startTwo(t);
	const added: string[][] = [];
	const client = {
		options: {},
		duplicate: () => client,
		on: () => undefined,
		subscribe: () => undefined,
		xread: () => new Promise(() => undefined),
		xadd: (args: string[]) => {
			added.push(args.slice(args.indexOf('*') + 1));
			return Promise.resolve('1-0');
		},
	};
	const official = new Server({ adapter: createAdapter(client, {}) }).of('/').adapter;
	const ours = first.io.of('/').adapter;
	for (const name of ODD_NAMES) {
		if (await isRefused(first.io.of('/'), 'emit', name)) {
			continue;
		}
		for (const beside of [[], [1, 'ü€🎈', '\n\ud800']]) {
			pod.sent.length = 0;
			added.length = 0;
			const data = ['odd', ODD_VALUES[name](), ...beside];
			const opts = { rooms: new Set(['a', 'b']), except: new Set(['c']), flags: { volatile: true } };
			ours.broadcast({ type: 2, data }, opts);
			official.broadcast({ type: 2, data }, opts);
			const [line = '', fields] = String(pod.sent.find(({ topic }) => topic === 'entries')?.payload).split(/\n(.*)/s);
			const { to, uid: _, ...head } = JSON.parse(line);
			const [, , nsp, nspName, type, typeNumber, data_, text] = added[0] ?? [];
			assert.deepEqual({ ...head, data: fields }, { [`${nsp}`]: nspName, [`${type}`]: typeNumber, [`${data_}`]: text }, name);
			assert.equal(to, 'a\u001fb');
		}
	}
});

test('what cannot be encoded throws at the caller, and nothing of it is sent or kept', async (t) => {
	const { pod, first } = await startTwo(t);
	const nsp = first.io.of('/');
	pod.sent.length = 0;
	for (const name of IMPOSSIBLE) {
		for (const way of ODD_WAYS) {
			assert.equal(await isRefused(nsp, way, name), true, `${name}, ${way}`);
		}
	}
	assert.deepEqual(pod.sent, []);
	assert.equal((nsp.adapter as unknown as { ackRequests: Map<string, unknown> }).ackRequests.size, 0);
});

test('an answer that cannot be encoded is lost, counted, and missing', async (t) => {
	t.mock.timers.enable({ apis: ['setTimeout'] });
	const { first, last } = await startTwo(t);
	last.io.on('question', (answer: (value: unknown) => void) => answer(1n));
	const asked = first.io.serverSideEmitWithAck('question').catch((error: unknown) => error);
	await nextTurn();
	t.mock.timers.tick(5000);
	const error = await asked;
	assert.ok(error instanceof PartialAnswerError);
	assert.deepEqual(error.missing, ['AAAA/1']);
	assert.deepEqual(await countOf(last, 'socketfleet_redis_errors_total'), { answer: 1 });
});

test('frames that make no sense are counted, and end nothing', async (t) => {
	t.mock.timers.enable({ apis: ['setInterval'] });
	const { pod, first } = await startTwo(t);
	const entry = (head: object, data: string): string => `${JSON.stringify({ uid: 'x', nsp: '/', type: '3', ...head })}\n${data}`;
	const bad = {
		undecodable: ['', 'no line', '{"uid":', 'null\n{}', entry({}, ''), entry({}, '{"packet":')],
		missing_field: ['{}\n{}', entry({ nsp: 1 }, '{}')],
		bad_type: [entry({ type: 'three' }, '{}')],
		bad_rooms: [entry({}, '{}'), entry({ type: '4' }, '{"opts":{"rooms":[]},"rooms":"a"}')],
		bad_packet: [entry({}, '{"packet":{"type":1},"opts":{"rooms":[]}}')],
		prototype_key: [entry({}, Buffer.from(encode({ ['__proto__']: 1 })).toString('base64'))],
	};
	for (const payload of Object.values(bad).flat()) {
		pod.deliver(1, 0, 'entries', Buffer.from(payload));
	}
	assert.deepEqual(
		await countOf(first, 'socketfleet_quarantined_entries_total'),
		Object.fromEntries(Object.entries(bad).map(([reason, payloads]) => [reason, payloads.length])),
	);

	const request = { uid: 'x', nsp: '/', type: 7, data: { opts: null, requestId: 'r' } };
	for (const payload of [Buffer.from([0xc1]), encode(null), encode({ nsp: '/' }), encode(request)]) {
		pod.deliver(1, 0, 'requests', payload);
	}
	for (const payload of ['', '[', 'null', '{"/":1}', '{"/":{}}']) {
		pod.deliver(1, 0, 'siblings', Buffer.from(payload));
	}
	pod.deliver(1, 0, 'entries', Buffer.from(entry({ nsp: '/elsewhere' }, '{}')));
	pod.deliver(1, 0, 'entries', Buffer.from(entry({ to: 'nobody' }, '{}')));
	t.mock.timers.tick(1000);
	assert.deepEqual(await countOf(first, 'socketfleet_stream_entries_dropped_total'), { failed: 3, no_namespace: 1, no_room: 1 });
	assert.equal(await first.io.of('/').adapter.serverCount(), 2);
});

test('what a listener of the application throws ends neither the worker nor what its sibling waits for', async (t) => {
	t.mock.timers.enable({ apis: ['setTimeout'] });
	const { first, last } = await startTwo(t);
	last.io.on('question', () => {
		throw new Error('a mistake');
	});
	const asked = first.io.serverSideEmitWithAck('question').catch((error: unknown) => error);
	await nextTurn();
	t.mock.timers.tick(5000);
	assert.ok((await asked) instanceof PartialAnswerError);
	last.io.on('other', (answer: (value: unknown) => void) => answer(1));
	assert.deepEqual(await first.io.serverSideEmitWithAck('other'), [1]);
});

test('a namespace counts where it is open, from before the first question to it', async (t) => {
	const { pod, first, last } = await startTwo(t);
	const count = (worker: Worker, nsp: string): Promise<number> => worker.io.of(nsp).adapter.serverCount();
	assert.deepEqual([await count(first, '/'), await count(last, '/')], [2, 2]);
	assert.equal(await count(first, '/new'), 1);
	assert.equal(await count(last, '/new'), 2);
	const third = await startWorker(t, pod, 2);
	assert.deepEqual([await count(first, '/'), await count(third, '/')], [3, 3]);
	void last.io.of('/new').adapter.close();
	assert.equal(await count(first, '/new'), 1);
});

test('a sibling that dies, or closes the namespace, is waited for no longer', async (t) => {
	const { pod, first, last } = await startTwo(t);
	const left: string[] = [];
	first.io.of('/').adapter.on('worker-left', (name: string) => left.push(name));
	const ask = (): Promise<unknown> => {
		last.io.removeAllListeners('question').on('question', () => undefined);
		return first.io.serverSideEmitWithAck('question');
	};
	const asked = ask();
	await nextTurn();
	void last.io.of('/').adapter.close();
	assert.deepEqual(await asked, []);
	assert.deepEqual(left, ['AAAA/1']);

	const other = await startWorker(t, pod, 2);
	other.io.on('question', () => undefined);
	const askedOther = first.io.serverSideEmitWithAck('question');
	const fetched = first.io.fetchSockets();
	await nextTurn();
	pod.kill(2);
	assert.deepEqual(await askedOther, []);
	assert.deepEqual(missingOf(await fetched), []);
	assert.deepEqual(left, ['AAAA/1', 'AAAA/2']);
	assert.equal(await first.io.of('/').adapter.serverCount(), 1);
});

test('a sibling that is silent for four heartbeats is left out, until it is heard again', async (t) => {
	t.mock.timers.enable({ apis: ['setInterval'] });
	const { pod, first } = await startTwo(t);
	const count = (): Promise<number> => first.io.of('/').adapter.serverCount();
	pod.freeze(1);
	t.mock.timers.tick(15_000);
	assert.equal(await count(), 2);
	t.mock.timers.tick(5000);
	assert.equal(await count(), 1);
	pod.thaw(1);
	t.mock.timers.tick(5000);
	assert.equal(await count(), 2);
});

/** Servers are counted before they are asked. */
function nextTurn(): Promise<void> {
	return new Promise((resolve) => {
		setImmediate(resolve);
	});
}
