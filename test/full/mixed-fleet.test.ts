/**
 * Pods of the version before, which write the log alone, and of this one, in one fleet on one Redis, there and back: nothing is lost,
 * repeated or out of order for anyone who was not told.
 *
 *   LEDGER_SEED  another order of the traffic
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import type { DeliveryMode } from '../../src/adapter/delivery.ts';
import { type Absentee, goAway } from '../chaos/support/absentee.ts';
import { type Disturbances, keepLedger, type PodKind, type Stage } from '../chaos/support/ledger.ts';
import { lastFirst } from '../support/last-first.ts';
import type { Pod } from '../support/pod.ts';
import { checkOutPrevious } from '../support/previous.ts';
import { startRedis } from '../support/redis-server.ts';
import { secondsSince, waitFor } from '../support/wait.ts';

const AGREEMENT = 'socketfleet:default:delivery';
const SEED = Number(process.env.LEDGER_SEED ?? 20_251_125);
const SIZE = { pods: 2, steady: 12, movers: 8 };
const TIMEOUT_MS = 850_000;
/** A minute after the last pod of the version before, and a heartbeat of each worker. */
const ROUTED = { timeoutMs: 80_000, everyMs: 250 };
const AGREED = { timeoutMs: 30_000, everyMs: 250 };
/** For a few seconds. */
const SOME = 2000;

const isRouted = async (pod: Pod): Promise<boolean> => (await pod.metric('socketfleet_routed')) === 1;

/** One worker does, at least. */
const isFollowing = async (pod: Pod): Promise<boolean> => !(await isRouted(pod));

async function allAre(pods: readonly Pod[], is: (pod: Pod) => boolean | Promise<boolean>): Promise<boolean> {
	return (await Promise.all(pods.map(async (pod) => is(pod)))).every(Boolean);
}

const anyOf = ({ pods, random }: Stage): Pod | undefined => pods[Math.floor(random() * pods.length)];

async function killWorker(pod: Pod | undefined): Promise<void> {
	const worker = (await pod?.status())?.workers.find(({ state }) => state === 'ready');
	assert.ok(worker);
	process.kill(worker.pid, 'SIGKILL');
}

test('from the version before to this one and back: the fleet follows the log, then is routed, then follows', {
	timeout: TIMEOUT_MS,
}, async (context) => {
	const t = lastFirst(context);
	const previous: PodKind = { cli: checkOutPrevious() };
	const following: PodKind = { options: { delivery: 'follow' } };
	const { url } = await startRedis(t);
	const away: Absentee[] = [];
	const leave = async (stage: Stage, when: string): Promise<void> => {
		const rooms = ['red', 'green', 'blue', 'red', 'green', 'blue'];
		away.push(...(await Promise.all(rooms.map((room, i) => goAway(t, stage, `client ${i}, who left ${when}, of ${room}`, room)))));
	};
	const haveBack = async (where: string): Promise<void> => {
		const recovered = await Promise.all(away.splice(0).map((absentee) => absentee.comeBack()));
		const count = recovered.filter(Boolean).length;
		context.diagnostic(`${count} of ${recovered.length} who came back to ${where} were recovered`);
		// What is delivered without the log while a busy machine stalls is told like any loss.
		assert.ok(count > recovered.length / 2, `${count} of ${recovered.length} who came back to ${where} were recovered`);
	};
	const disturbances: Disturbances = {
		'one pod is of this version, one of the version before': async (stage) => {
			await stage.rollOut({});
			await stage.moreWritten(SOME);
			const [, newer] = stage.pods;
			assert.ok(newer && !(await isRouted(newer)));
		},
		'a worker of a mixed fleet is killed': async (stage) => {
			// Of this version: a pod with a worker that did not leave in order counts as there for half a minute more.
			await killWorker(stage.pods[1]);
			await leave(stage, 'a mixed fleet');
		},
		'all pods are of this version, and the fleet is routed after a minute': async (stage) => {
			await stage.rollOut({});
			const startedAt = Date.now();
			await waitFor('the fleet to be routed', () => allAre(stage.pods, isRouted), ROUTED);
			context.diagnostic(`routed ${secondsSince(startedAt)} s after the last pod of the version before`);
			await stage.moreWritten(SOME);
		},
		'who left before comes back to a fleet that is routed': () => haveBack('a routed fleet'),
		'a worker of a routed fleet is killed': (stage) => killWorker(anyOf(stage)),
		'one pod is told to follow, and the fleet does': async (stage) => {
			await leave(stage, 'a routed fleet');
			await stage.rollOut(following);
			await waitFor('the fleet to follow', () => allAre(stage.pods, isFollowing), AGREED);
			await stage.rollOut(following);
			await haveBack('a fleet that is told to follow');
		},
		'one pod is of the version before again': async (stage) => {
			await stage.rollOut(previous);
			await leave(stage, 'a mixed fleet on its way back');
			await stage.moreWritten(SOME);
		},
		'all pods are of the version before again': async (stage) => {
			await stage.rollOut(previous);
			await haveBack('the version before');
			await stage.moreWritten(SOME);
		},
	};
	const place = { options: { redisUrl: url }, source: url };
	const plan = { seed: SEED, messages: 0, size: SIZE, disturbances, isInOrder: true, kind: previous };
	context.diagnostic(await keepLedger(t, place, plan));
});

test('a fleet of this version that follows and is routed by turns', { timeout: TIMEOUT_MS }, async (context) => {
	const t = lastFirst(context);
	const { url } = await startRedis(t);
	const redis = new Redis(url);
	t.after(() => redis.disconnect());
	// As if somebody had needed to follow just now, or for the last time long ago: a minute less to wait.
	const agree = (mode: DeliveryMode): Promise<unknown> => redis.set(AGREEMENT, `follow ${mode === 'follow' ? Date.now() : 0}`);
	const turnTo = async (mode: DeliveryMode, { pods }: Stage): Promise<void> => {
		await agree(mode);
		await waitFor(`the fleet to turn: ${mode}`, () => allAre(pods, mode === 'routed' ? isRouted : isFollowing), AGREED);
	};
	const disturbances: Disturbances = {
		'the fleet follows for a while': async (stage) => {
			await turnTo('follow', stage);
			await stage.moreWritten(SOME);
			await turnTo('routed', stage);
		},
		'workers disagree': async (stage) => {
			for (let i = 0; i < 12; i++) {
				await agree(i % 2 === 0 ? 'follow' : 'routed');
				await stage.moreWritten(100);
			}
			await turnTo('routed', stage);
		},
		'a worker is killed while the fleet turns': async (stage) => {
			await agree('follow');
			await killWorker(anyOf(stage));
			await turnTo('follow', stage);
			await killWorker(anyOf(stage));
			await turnTo('routed', stage);
		},
	};
	const place = { options: { redisUrl: url }, source: url };
	const plan = { seed: SEED, messages: Number(process.env.LEDGER_MESSAGES ?? 20_000), size: SIZE, disturbances };
	context.diagnostic(await keepLedger(t, place, plan));
});
