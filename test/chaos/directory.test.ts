/** Pods find each other, and a Redis that is frozen, gone or empty takes nobody's address away. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { type TestContext, test } from 'node:test';
import { createSilentLogger } from '../../src/base/log.ts';
import { loadConfig } from '../../src/config/load.ts';
import { NO_LOAD } from '../../src/metrics/load.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import { createRedis, type RedisHandle } from '../../src/redis/client.ts';
import { createDirectory, type Directory } from '../../src/worker/pods/directory.ts';
import { lastFirst } from '../support/last-first.ts';
import { type Scope, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';

const log = createSilentLogger();
const WAIT = { timeoutMs: 60_000 };
const PODS = 'socketfleet:default:pods';
const DELIVERY = 'socketfleet:default:delivery';

const known = (directory: Directory, pod: string): boolean => directory.pods().some((record) => record.pod === pod);

function connect(t: Scope, redisUrl: string): { redis: RedisHandle; open: (pod: string, incarnation?: string) => Directory } {
	const { config } = loadConfig({ env: {}, flags: { redisUrl, fleetKey: 'directory-key-0123' }, cwd: tmpdir() });
	const redis = createRedis(config, log);
	t.after(() => redis.close());
	const open = (pod: string, incarnation: string = randomUUID()): Directory => {
		const self = { pod, incarnation, host: `host-of-${pod}`, internalPort: 9465, workers: 1 };
		const directory = createDirectory({ redis, config, log, metrics: createMetrics(), self, load: () => Promise.resolve(NO_LOAD) });
		t.after(() => directory.close());
		return directory;
	};
	return { redis, open };
}

test('a pod is found by the others, holds its id alone, and is forgotten when its last worker has left', async (context) => {
	const t = lastFirst(context);
	const { url } = await startRedis(t);
	const { redis, open } = connect(t, url);
	await waitFor('Redis', () => redis.state() === 'ready', WAIT);
	const [one, sibling, other] = [open('aaaa', 'same'), open('aaaa', 'same'), open('bbbb')];
	assert.deepEqual(await Promise.all([one.start(), sibling.start(), other.start()]), ['ok', 'ok', 'ok']);
	await waitFor('both to be known', () => known(other, 'aaaa') && known(one, 'bbbb'), WAIT);
	assert.deepEqual(await other.find('aaaa'), { host: 'host-of-aaaa', port: 9465 });

	let taken = 0;
	const rival = open('aaaa');
	rival.onTaken(() => taken++);
	assert.equal(await rival.start(), 'taken');
	assert.equal(taken, 1);

	await one.close();
	// One more worker holds the pod: two rounds of heartbeats later it is still there.
	const before = other.pods().find(({ pod }) => pod === 'bbbb')?.at ?? 0;
	await waitFor('two more heartbeats', () => (other.pods().find(({ pod }) => pod === 'bbbb')?.at ?? 0) > before + 3000, WAIT);
	assert.ok(known(other, 'aaaa'));
	await sibling.close();
	await waitFor('it to be forgotten', () => !known(other, 'aaaa'), WAIT);
	assert.equal(await open('aaaa').start(), 'taken', 'an id that was in use just now names sessions of clients that may come back');
});

test('a pod that is younger than the last heartbeat is found at once; one that is not there is looked for a few times a second at most', async (context) => {
	const t = lastFirst(context);
	const { url } = await startRedis(t);
	const { redis, open } = connect(t, url);
	await waitFor('Redis', () => redis.state() === 'ready', WAIT);
	const one = open('aaaa');
	assert.equal(await one.start(), 'ok');
	assert.equal(await open('bbbb').start(), 'ok');
	assert.ok(!known(one, 'bbbb'));
	assert.deepEqual(await one.find('bbbb'), { host: 'host-of-bbbb', port: 9465 });

	const calls = async (): Promise<number> => Number(/cmdstat_eval:calls=(\d+)/.exec(await redis.commands.info('commandstats'))?.[1] ?? 0);
	const before = await calls();
	const forged = await Promise.all(Array.from({ length: 500 }, (_, i) => one.find(`f${i}`)));
	assert.ok(forged.every((address) => address === undefined));
	assert.ok((await calls()) - before <= 5, 'askers share a look');
});

test('a frozen, a restarted and an absent Redis leave the addresses that were known', async (context) => {
	const t = lastFirst(context);
	const server = await startRedis(t);
	const { redis, open } = connect(t, server.url);
	await waitFor('Redis', () => redis.state() === 'ready', WAIT);
	const [one, other] = [open('aaaa'), open('bbbb')];
	await Promise.all([one.start(), other.start()]);
	await waitFor('both to be known', () => known(other, 'aaaa') && known(one, 'bbbb'), WAIT);

	await server.stop();
	await waitFor('Redis to be found away', () => redis.state() === 'away', WAIT);
	const late = open('cccc');
	assert.equal(await late.start(), 'away');
	assert.ok(known(one, 'bbbb'));
	// It comes back with nothing: each pod claims its id again, and the late one its first.
	await server.start();
	await waitFor('all three to be known', () => known(one, 'cccc') && known(one, 'bbbb') && known(other, 'aaaa'), WAIT);
});

/** As a pod of the version before has it: of how its messages are delivered it says nothing. */
const recordOfBefore = (at: number, left: boolean): string =>
	JSON.stringify({ incarnation: 'other', host: 'h', port: 1, workers: 1, members: {}, at, left });

interface Agreement {
	readonly redis: RedisHandle['commands'];
	/** One more heartbeat: what the fleet has agreed on. */
	beat(): Promise<readonly [mode: string, indexedSince: number]>;
}

async function startAgreement(context: TestContext): Promise<Agreement> {
	const t = lastFirst(context);
	const { url } = await startRedis(t);
	const { redis, open } = connect(t, url);
	await waitFor('Redis', () => redis.state() === 'ready', WAIT);
	const directory = open('aaaa');
	let told: readonly [string, number] | undefined;
	directory.onDelivery((...delivery) => {
		told = delivery;
	});
	await redis.commands.xadd('socketfleet:default:stream', '*', 'a', 'b');
	return {
		redis: redis.commands,
		beat: async () => {
			told = undefined;
			// Whoever is not known is looked for with a heartbeat.
			await directory.find('nobody');
			assert.ok(told);
			return told;
		},
	};
}

test('the fleet follows while a pod of the version before is there and for a minute after; what that wrote counts as not indexed', async (context) => {
	const { redis, beat } = await startAgreement(context);
	const leftAt = Date.now();
	await redis.hset(PODS, 'before', recordOfBefore(leftAt, false));
	assert.equal((await beat())[0], 'follow');
	await redis.hset(PODS, 'before', recordOfBefore(leftAt, true));
	assert.equal((await beat())[0], 'follow');
	// What it wrote between the last look at it and its end is younger than that look.
	await redis.set(DELIVERY, `follow ${leftAt - 60_000}`);
	const [mode, indexedSince] = await beat();
	assert.equal(mode, 'routed');
	assert.ok(indexedSince >= leftAt, `${indexedSince} < ${leftAt}`);
	assert.deepEqual(await beat(), [mode, indexedSince]);
});

test('a pod of the version before that came and went while no other looked has written what is not indexed', async (context) => {
	const { redis, beat } = await startAgreement(context);
	const now = Date.now();
	await redis.set(DELIVERY, `routed ${now - 5000}`);
	await redis.hset(PODS, 'before', recordOfBefore(now - 6000, true));
	assert.deepEqual(await beat(), ['routed', now - 5000], 'it was there before the fleet was routed');
	await redis.hset(PODS, 'before', recordOfBefore(now - 4000, true));
	assert.equal((await beat())[0], 'follow');
});
