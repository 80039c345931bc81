/**
 * The ledger: clients and senders keep account of every message while workers and pods are killed, and Redis is frozen and restarted.
 * LEDGER_ROUNDS (default 1) and LEDGER_SEED make it longer, or another one; see `npm run soak`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createEmitter, type Emitter } from '../../src/emit/emitter.ts';
import type { StreamOffset } from '../../src/redis/stream-offset.ts';
import { createRandom } from '../support/fuzz.ts';
import { lastFirst } from '../support/last-first.ts';
import { type Pod, startPod } from '../support/pod.ts';
import { type Scope, startRedis, type TestRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { type Balancer, startBalancer } from './support/balancer.ts';
import { type Acknowledged, findBreaches, type Listener, openListener } from './support/ledger.ts';

const APP = fileURLToPath(new URL('support/ledger-app.ts', import.meta.url));
const ROUNDS = Number(process.env.LEDGER_ROUNDS ?? 1);
const SEED = Number(process.env.LEDGER_SEED ?? 20_251_125);
const LISTENERS = 16;
const ROOMS = ['red', 'green', 'blue'] as const;
const WAIT = { timeoutMs: 90_000, everyMs: 100 };

interface Stage {
	readonly t: Scope;
	readonly redis: TestRedis;
	readonly balancer: Balancer;
	readonly pods: Pod[];
	readonly emitter: Emitter;
	readonly listeners: readonly Listener[];
	readonly acknowledged: Acknowledged[];
	readonly random: () => number;
	stopped: boolean;
}

test('nothing is lost, repeated or reordered without being told, whatever is killed', {
	timeout: 300_000 + ROUNDS * 120_000,
}, async (test_) => {
	const stage = await setStage(lastFirst(test_));
	const traffic = [write(stage), speak(stage), interrupt(stage)];
	for (let round = 0; round < ROUNDS; round++) {
		for (const fault of [killWorker, freezeRedis, killPod, restartRedis]) {
			await fault(stage);
			await everyoneHears(stage, `${fault.name} ${round}`);
			await someRecover(stage);
		}
	}
	stage.stopped = true;
	await Promise.all(traffic);
	await everyoneHears(stage, 'the end');

	assert.deepEqual(findBreaches(stage.listeners, stage.acknowledged).slice(0, 10), []);
	const refused = stage.listeners.reduce((sum, { counts }) => sum + counts.refused, 0);
	test_.diagnostic(
		`seed ${SEED}: ${stage.acknowledged.length} acknowledged, ${recoveriesOf(stage)} recovered, ${refused} told that they missed something`,
	);
});

/** How often a client came back with all it had missed. */
function recoveriesOf({ listeners }: Stage): number {
	return listeners.reduce((sum, { counts }) => sum + counts.recovered, 0);
}

/** After each fault recovery works again: without that, the ledger would mean nothing. */
async function someRecover(stage: Stage): Promise<void> {
	const before = recoveriesOf(stage);
	await waitFor('recoveries after the fault', () => recoveriesOf(stage) >= before + LISTENERS / 2, WAIT);
}

async function setStage(t: Scope): Promise<Stage> {
	const redis = await startRedis(t, { args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
	const balancer = await startBalancer(t);
	const pods = await Promise.all([startOne(t, redis), startOne(t, redis)]);
	balancer.setTargets(pods.map(({ ports }) => ports.public));
	const emitter = createEmitter({ redis: redis.url, timeoutMs: 2000, onError: () => undefined });
	t.after(() => emitter.close());
	const listeners = Array.from({ length: LISTENERS }, (_, i) => {
		const rooms = ROOMS.filter((_room, r) => (i + r) % 3 !== 0);
		return openListener(t, balancer.url, `listener ${i}`, rooms);
	});
	const stage: Stage = {
		t,
		redis,
		balancer,
		pods,
		emitter,
		listeners,
		acknowledged: [],
		random: createRandom(SEED),
		stopped: false,
	};
	await everyoneHears(stage, 'the beginning');
	return stage;
}

function startOne(t: Scope, redis: TestRedis): Promise<Pod> {
	return startPod(t, { app: APP, options: { redisUrl: redis.url, recoveryWindowMs: 120_000 } });
}

/** From outside, one at a time: what Redis acknowledged must not be lost. */
async function write(stage: Stage): Promise<void> {
	for (let number = 1; !stage.stopped; number++) {
		const room = pick(stage, ROOMS);
		const sender = `writer of ${room}`;
		try {
			const { id } = await stage.emitter.to(room).emit('written', sender, number);
			stage.acknowledged.push({ id: id as StreamOffset, room, sender, number });
		} catch {
			// Not acknowledged: it may be there or not, and nobody was promised anything.
		}
		await delay(2);
	}
}

/** Through a worker: in order, and never twice. */
async function speak(stage: Stage): Promise<void> {
	for (let number = 1; !stage.stopped; number++) {
		const { socket, name, rooms } = pick(stage, stage.listeners);
		const room = rooms[0] ?? '';
		if (socket.connected) {
			await socket
				.timeout(1000)
				.emitWithAck('say', room, `${name} in ${room}`, number)
				.catch(() => undefined);
		}
		await delay(5);
	}
}

/** Clients lose their connections all the time. */
async function interrupt(stage: Stage): Promise<void> {
	while (!stage.stopped) {
		pick(stage, stage.listeners).socket.io.engine?.close();
		await delay(100 + stage.random() * 200);
	}
}

async function killWorker({ pods, random }: Stage): Promise<void> {
	const pod = pods[Math.floor(random() * pods.length)];
	const { workers } = (await pod?.status()) ?? { workers: [] };
	const victim = workers[Math.floor(random() * workers.length)];
	assert.ok(victim);
	process.kill(victim.pid, 'SIGKILL');
}

async function killPod(stage: Stage): Promise<void> {
	const victim = stage.pods.shift();
	assert.ok(victim);
	victim.kill('SIGKILL');
	await victim.exited;
	stage.balancer.setTargets(stage.pods.map(({ ports }) => ports.public));
	stage.pods.push(await startOne(stage.t, stage.redis));
	stage.balancer.setTargets(stage.pods.map(({ ports }) => ports.public));
}

async function freezeRedis({ redis }: Stage): Promise<void> {
	redis.signal('SIGSTOP');
	await delay(2500);
	redis.signal('SIGCONT');
}

async function restartRedis({ redis }: Stage): Promise<void> {
	await redis.stop('SIGKILL');
	await delay(500);
	await redis.start();
}

/** Every client is connected and hears what is written now: the fault is over for all of them. */
async function everyoneHears({ emitter, listeners }: Stage, mark: string): Promise<void> {
	const heard = new Set<Listener>();
	const stops = listeners.map((listener) => {
		const onMark = (text: string): void => void (text === mark && heard.add(listener));
		listener.socket.on('mark', onMark);
		return () => listener.socket.off('mark', onMark);
	});
	await waitFor(
		`everyone to hear of ${mark}`,
		async () => {
			await emitter.emit('mark', mark);
			return heard.size === listeners.length;
		},
		WAIT,
	);
	for (const stop of stops) {
		stop();
	}
}

function pick<T>({ random }: Pick<Stage, 'random'>, items: readonly T[]): T {
	const item = items[Math.floor(random() * items.length)];
	assert.ok(item !== undefined);
	return item;
}
