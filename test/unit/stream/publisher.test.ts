import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createSilentLogger } from '../../../src/base/log.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { createMetrics } from '../../../src/metrics/registry.ts';
import type { RedisHandle } from '../../../src/redis/client.ts';
import { MESSAGES_LOST } from '../../../src/stream/entry.ts';
import { createPublisher, OUTBOX_MAX_AGE_MS, type Publisher } from '../../../src/stream/publisher.ts';

const nextTurn = (): Promise<void> => new Promise(setImmediate);

/** One run of the publish script. */
interface Batch {
	readonly publisher: string;
	readonly acknowledged: number;
	/** `sequence name`, and for those that tell of a loss `sequence lost rooms`. */
	readonly entries: readonly string[];
	accept(): Promise<void>;
	refuse(): Promise<void>;
}

class World {
	readonly batches: Batch[] = [];
	/** `sequence id`, and `sequence late`. */
	readonly events: string[] = [];
	readonly publisher: Publisher;
	readonly metrics = createMetrics();
	#now = 1_000_000;
	#id = 0;

	constructor(t: TestContext) {
		t.mock.method(performance, 'now', () => this.#now);
		t.mock.timers.enable({ apis: ['setTimeout'] });
		const evalsha = (_sha: string, keys: number, ...rest: (string | number)[]): Promise<unknown> => this.#run(rest.slice(keys));
		const redis = { commands: { isCluster: false, evalsha }, onState: () => undefined } as unknown as RedisHandle;
		this.publisher = createPublisher({
			redis,
			config: loadConfig({ env: {}, flags: {}, cwd: '/nonexistent' }).config,
			metrics: this.metrics,
			log: createSilentLogger(),
			events: {
				onPublished: ({ sequence }, id) => this.events.push(`${sequence} ${id}`),
				onLate: ({ sequence }) => this.events.push(`${sequence} late`),
			},
		});
		t.after(() => this.publisher.close());
	}

	publish(data: string, rooms: readonly unknown[] = [], nsp = '/'): void {
		this.publisher.publish({ fields: { uid: 'u', nsp, type: 3, data }, rooms });
	}

	async passTime(t: TestContext, ms: number): Promise<void> {
		this.#now += ms;
		t.mock.timers.tick(ms);
		await nextTurn();
	}

	/** The batch that waits for an answer. */
	async nextBatch(): Promise<Batch> {
		await nextTurn();
		const batch = this.batches.shift();
		assert.ok(batch);
		return batch;
	}

	async published(): Promise<Record<string, number>> {
		const family = (await this.metrics.snapshot()).own.find(({ name }) => name === 'socketfleet_publish_total');
		return Object.fromEntries((family?.samples ?? []).flatMap(({ labels, value }) => (value > 0 ? [[labels.result ?? '', value]] : [])));
	}

	#run(args: readonly (string | number)[]): Promise<unknown> {
		const [publisher, sequence, acknowledged] = args;
		const entries: string[] = [];
		for (let at = 6; at < args.length; ) {
			const [, , type, data, rooms, routes] = args.slice(at, at + 6);
			const number = Number(sequence) + entries.length;
			entries.push(type === MESSAGES_LOST ? `${number} lost ${rooms}` : `${number} ${data}`);
			at += 6;
			for (let route = 0; route < Number(routes); route++) {
				at += 2 + Number(args[at + 1]);
			}
		}
		const answer = Promise.withResolvers<unknown>();
		const settle = (settleIt: () => void) => async (): Promise<void> => {
			settleIt();
			await nextTurn();
		};
		this.batches.push({
			publisher: String(publisher),
			acknowledged: Number(acknowledged),
			entries,
			accept: settle(() => answer.resolve(['epoch', ...entries.map(() => `${++this.#id}-0`)])),
			refuse: settle(() => answer.reject(Object.assign(new Error('NOPERM'), { name: 'ReplyError' }))),
		});
		return answer.promise;
	}
}

test('messages of one turn travel together, those of the next when Redis has answered, each with its id', async (t) => {
	const world = new World(t);
	world.publish('a');
	world.publish('b', ['hall', 5]);
	const first = await world.nextBatch();
	world.publish('c');
	await nextTurn();
	assert.deepEqual([first.entries, first.acknowledged, world.batches.length], [['1 a', '2 b'], 0, 0]);
	await first.accept();
	const second = await world.nextBatch();
	assert.deepEqual([second.entries, second.acknowledged], [['3 c'], 2]);
	await second.accept();
	assert.deepEqual(world.events, ['1 1-0', '2 2-0', '3 3-0']);
	assert.deepEqual(await world.published(), { ok: 3 });
});

test('a batch is at most 256 messages, and 2,000 operations', async (t) => {
	const world = new World(t);
	const rooms = Array.from({ length: 8 }, (_, i) => `room ${i}`);
	for (let i = 0; i < 300; i++) {
		world.publish('x');
	}
	for (let i = 0; i < 200; i++) {
		world.publish('x', rooms);
	}
	const sizes: number[] = [];
	for (let sent = 0; sent < 500; ) {
		const batch = await world.nextBatch();
		sizes.push(batch.entries.length);
		sent += batch.entries.length;
		await batch.accept();
	}
	const operationsOf = (message: number): number => (message < 300 ? 3 : 17);
	let at = 0;
	for (const size of sizes) {
		const operations = Array.from({ length: size - 1 }, (_, i) => operationsOf(at + i)).reduce((a, b) => a + b, 0);
		assert.ok(size <= 256 && operations < 2000, `${size} ${operations}`);
		at += size;
	}
});

test('what Redis refuses is late, with all behind it, and goes before anything newer once Redis takes it', async (t) => {
	const world = new World(t);
	world.publish('a');
	const first = await world.nextBatch();
	world.publish('b');
	await first.refuse();
	assert.deepEqual(world.events, ['1 late', '2 late']);
	assert.ok(world.publisher.problem()?.includes('until Redis takes them'));
	world.publish('c');
	await nextTurn();
	assert.deepEqual(world.events.slice(2), ['3 late']);
	await world.passTime(t, 2000);
	const probe = await world.nextBatch();
	assert.deepEqual([probe.publisher.endsWith('.probe'), probe.entries], [true, []]);
	await probe.accept();
	assert.equal(world.publisher.problem(), undefined);
	const again = await world.nextBatch();
	assert.deepEqual([again.publisher, again.entries], [first.publisher, ['1 a', '2 b', '3 c']]);
	await again.accept();
	assert.deepEqual(world.events.slice(3), ['1 1-0', '2 2-0', '3 3-0']);
});

test('what waited too long is given up: its targets are told, under its last sequences, before anything newer', async (t) => {
	const world = new World(t);
	for (const [data, rooms] of [
		['a', ['hall']],
		['b', ['x', 'y']],
		['c', ['hall']],
		['d', ['y', 'x']],
		['e', ['hall']],
	] as const) {
		world.publish(data, rooms);
	}
	await (await world.nextBatch()).refuse();
	await world.passTime(t, OUTBOX_MAX_AGE_MS);
	world.publish('f', ['hall']);
	await (await world.nextBatch()).accept();
	const batch = await world.nextBatch();
	assert.deepEqual(batch.entries, ['4 lost hall', '5 lost y\u001fx', '6 f']);
	await batch.refuse();
	assert.deepEqual(await world.published(), { error: 5, breaker_open: 1, lost: 5 });
	// The word of a loss is not given up itself, and is told with what is given up later.
	await world.passTime(t, OUTBOX_MAX_AGE_MS);
	world.publish('g');
	await (await world.nextBatch()).accept();
	assert.deepEqual((await world.nextBatch()).entries, ['5 lost hall', '6 lost y\u001fx', '7 g']);
	assert.equal((await world.published()).lost, 6);
});

test('a loss with very many targets is told to their namespaces', async (t) => {
	const world = new World(t);
	for (let i = 0; i < 1001; i++) {
		world.publish('x', [`room ${i}`], i % 2 ? '/' : '/chat');
	}
	await (await world.nextBatch()).refuse();
	await world.passTime(t, OUTBOX_MAX_AGE_MS);
	world.publish('next');
	await (await world.nextBatch()).accept();
	assert.deepEqual((await world.nextBatch()).entries, ['1000 lost ', '1001 lost ', '1002 next']);
});

test('a batch that Redis takes after all, when what waits has overflowed meanwhile, takes nothing with it that was not sent', async (t) => {
	const world = new World(t);
	const large = 'x'.repeat(1_000_000);
	world.publish('first', ['hall']);
	const first = await world.nextBatch();
	assert.deepEqual(first.entries, ['1 first']);
	for (let i = 0; i < 64; i++) {
		world.publish(large, ['hall']);
	}
	world.publish('last', ['hall']);
	const lost = Number((await world.published()).lost);
	assert.ok(lost > 1);
	await nextTurn();
	assert.deepEqual(
		world.events.splice(0),
		Array.from({ length: lost }, (_, i) => `${i + 1} late`),
		'this pod is given them',
	);
	await first.accept();
	assert.deepEqual(world.events, ['1 1-0']);
	const second = await world.nextBatch();
	assert.deepEqual(
		second.entries.map((entry) => entry.slice(0, 12)),
		[`${lost} lost hall`, `${lost + 1} ${large}`.slice(0, 12)],
	);
});
