/** The two ways in which messages reach a worker, and the change from one to the other, in a real Redis. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { after, type TestContext, test } from 'node:test';
import { Redis } from 'ioredis';
import { createFleetAdapter } from '../../src/adapter/create.ts';
import { Delivery } from '../../src/adapter/delivery.ts';
import { Ticker } from '../../src/adapter/dispatch/ticker.ts';
import { createSilentLogger } from '../../src/base/log.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import { createRedis } from '../../src/redis/client.ts';
import { redisKeysOf } from '../../src/redis/keys.ts';
import { STREAM_START } from '../../src/stream/offset.ts';
import { tickChannelOf } from '../../src/stream/route.ts';
import { lastFirst } from '../support/last-first.ts';
import { startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { addEntry } from '../support/write-entries.ts';
import { FakePod } from '../unit/adapter/fake-bus.ts';
import { FakeWorker, fieldsOf } from '../unit/adapter/fake-worker.ts';

const server = await startRedis({ after });
let fleets = 0;

class Stage {
	readonly worker: FakeWorker;
	readonly delivery: Delivery;
	readonly writer: Redis;
	readonly stream: string;

	private constructor(worker: FakeWorker, delivery: Delivery, writer: Redis, stream: string) {
		this.worker = worker;
		this.delivery = delivery;
		this.writer = writer;
		this.stream = stream;
	}

	/** A fleet of its own; its worker is in the room `here`, and starts when the test says so. */
	static async open(context: TestContext): Promise<Stage> {
		const t = lastFirst(context);
		const flags = { redisUrl: server.url, fleetKey: 'delivery-key-0123', fleet: `fleet-${++fleets}` };
		const { config } = loadConfig({ env: {}, flags, cwd: tmpdir() });
		const keys = redisKeysOf(config);
		const worker = new FakeWorker(context);
		const { position, dispatcher, metrics, log } = worker;
		const redis = createRedis(config, log);
		t.after(() => redis.close());
		const writer = new Redis(server.port);
		t.after(() => writer.disconnect());
		await waitFor('Redis', () => redis.state() === 'ready');
		const retentionMs = 60_000;
		const ticker = new Ticker({ redis, keys, position, retentionMs, log });
		const delivery = new Delivery({
			redis,
			stream: keys.stream,
			retentionMs,
			joinTimeoutMs: 5000,
			position,
			dispatcher,
			ticker,
			metrics,
			log,
			onTick: () => undefined,
		});
		t.after(() => delivery.close());
		dispatcher.begin(STREAM_START);
		void delivery.join('/');
		void delivery.join('/', 'here');
		return new Stage(worker, delivery, writer, keys.stream);
	}

	/** As this version does: log, index, push. */
	async write(name: string, room: string): Promise<void> {
		await addEntry(this.writer, this.stream, { fields: this.#fieldsOf(name, room), room });
	}

	/** As the version before does: the log alone. */
	async writeLog(name: string, room: string): Promise<void> {
		await this.writer.xadd(this.stream, '*', ...this.#fieldsOf(name, room));
	}

	async hears(...names: readonly string[]): Promise<void> {
		const heard = (): string[] => this.worker.heard.map((event) => event.split('@')[0] ?? '');
		await waitFor(`${names.join(', ')} to be heard`, () => names.every((name) => heard().includes(name)));
		assert.equal(new Set(heard()).size, heard().length, 'once each');
	}

	#fieldsOf(name: string, room: string): string[] {
		return Object.entries({ ...fieldsOf(name, { to: room }), to: room }).flatMap(([field, value]) => [field, String(value)]);
	}
}

test('a worker that has not been told yet hears those who write the log alone', async (t) => {
	const stage = await Stage.open(t);
	stage.delivery.start();
	await waitFor('it to read', () => stage.delivery.isLive);
	await stage.writeLog('one', 'here');
	await stage.hears('one');
	stage.delivery.setMode('routed', 0);
	await waitFor('messages to be pushed', () => stage.delivery.isRouted && stage.delivery.isLive);
	await stage.write('two', 'here');
	await stage.hears('two');
});

test('a worker that is told to follow while it connects to be pushed messages follows', async (t) => {
	const stage = await Stage.open(t);
	// As long as someone ticks, a connection that nobody wants any more does not look broken.
	const ticks = setInterval(() => void stage.writer.publish(tickChannelOf(stage.stream), `${STREAM_START} epoch`), 100);
	t.after(() => clearInterval(ticks));
	stage.delivery.setMode('routed', 0);
	stage.delivery.start();
	stage.delivery.setMode('follow', 0);
	await stage.writeLog('read with the log of before', 'here');
	await stage.hears('read with the log of before');
	await stage.writeLog('written since', 'here');
	await stage.hears('written since');
});

test('what waits for a room that is being joined waits for it across a change of the way', async (t) => {
	const stage = await Stage.open(t);
	const { delivery, worker } = stage;
	delivery.start();
	for (let round = 0; round < 10; round++) {
		delivery.setMode('routed', 0);
		await waitFor('messages to be pushed', () => delivery.isRouted && delivery.isLive);
		const room = `new-${round}`;
		const known = worker.position.known;
		void delivery.join('/', room);
		worker.rooms.add(room);
		await stage.write(`${round} to the new room`, room);
		await stage.write(`${round} to the old room`, 'here');
		await waitFor('the second one', () => worker.position.known !== known, { everyMs: 0 });
		delivery.setMode('follow', 0);
		await stage.hears(`${round} to the new room`, `${round} to the old room`);
	}
});

test('that the log was set back while a worker followed is found once it is pushed messages', async (context) => {
	const t = lastFirst(context);
	const flags = { redisUrl: server.url, fleetKey: 'delivery-key-0123', fleet: `fleet-${++fleets}` };
	const { config } = loadConfig({ env: {}, flags, cwd: tmpdir() });
	const { epoch } = redisKeysOf(config);
	const [log, metrics] = [createSilentLogger(), createMetrics()];
	const writer = new Redis(server.port);
	t.after(() => writer.disconnect());
	const redis = createRedis(config, log);
	t.after(() => redis.close());
	await writer.set(epoch, 'before');
	const fleet = await createFleetAdapter({ config, redis, bus: new FakePod().connect(0), metrics, log, owner: { pod: 'AAAA', slot: 0 } });
	t.after(() => fleet.close());
	await fleet.start();
	await waitFor('it to have begun', () => fleet.reasons().length === 0);
	await writer.set(epoch, 'after');
	fleet.setDelivery('routed', 0);
	await waitFor('the loss to be found', async () => {
		const gaps = (await metrics.snapshot()).own.find(({ name }) => name === 'socketfleet_stream_gap_total');
		return gaps?.samples.some(({ labels, value }) => labels.reason === 'epoch' && value === 1);
	});
});
