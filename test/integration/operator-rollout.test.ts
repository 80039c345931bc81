/** Roll-outs against a Deployment controller that follows Kubernetes' own: who goes when, at which pace, and what becomes of one that fails. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { KubeError } from '../../src/kube/errors.ts';
import { type KubeObject, pick, RESOURCES } from '../../src/kube/object.ts';
import { RESUME_ANNOTATION } from '../../src/operator/api/fleet.ts';
import { FleetWorld } from '../support/fleet-world.ts';

const ref = { namespace: 'demo', name: 'chat' };
const PODS = 3;
const SPEC = {
	replicas: PODS,
	drain: { delaySeconds: 2, failReadinessFirst: 'false', spreadSeconds: 3 },
	rollout: { minReadySeconds: 2 },
	redis: { source: 'external', url: 'redis://cache' },
};

async function startWorld(t: TestContext, spec: object = {}): Promise<FleetWorld> {
	const world = new FleetWorld(t);
	await world.createFleet({ ...SPEC, podAnnotations: { version: '1' }, ...spec });
	await world.settled(PODS);
	for (const name of world.pods()) {
		world.connections.set(name, 100);
	}
	world.closedPerSecond.length = 0;
	return world;
}

function roll(world: FleetWorld, version: string): Promise<void> {
	return world.change({ spec: { podAnnotations: { version } } });
}

async function rolledTo(world: FleetWorld, version: string): Promise<void> {
	await world.run(() => world.annotations('version').every((each) => each === version) && world.pods().length === PODS && world.isQuiet());
}

/** Each had been emptied first. */
function assertAllEmpty(world: FleetWorld): void {
	assert.deepEqual(
		world.removed.filter((each) => !each.endsWith(':0')),
		[],
	);
}

/** Of the pods of a version, as their metrics say. */
function recoveries(version: string, recovered: number, refused: number): (pod: KubeObject) => string {
	return (pod) =>
		pod.metadata.annotations?.version === version
			? `socketfleet_recovery_total{result="recovered",reason="none"} ${recovered}\nsocketfleet_recovery_total{result="refused",reason="trimmed"} ${refused}\n`
			: '';
}

test('pods are drained before they go, one at a time, within the budget of the fleet', async (t) => {
	const world = await startWorld(t, { rollout: { minReadySeconds: 2, maxSessionsPerSecond: 7 } });
	let mostLeaving = 0;
	await roll(world, '2');
	await world.run(() => {
		mostLeaving = Math.max(mostLeaving, world.kube.objects(RESOURCES.Pod).length - world.pods().length);
		return world.annotations('version').join() === '2,2,2' && world.isQuiet();
	}, 400);
	assert.equal(mostLeaving, 1);
	assertAllEmpty(world);
	assert.equal(world.removed.length, PODS);
	assert.equal(Math.max(...world.closedPerSecond), 7);
	assert.ok(world.closedPerSecond.reduce((sum, each) => sum + each, 0) >= 300, 'the clients of every pod moved');
	const deployment = await world.kube.get(RESOURCES.Deployment, ref);
	assert.deepEqual(pick(deployment, 'spec', 'strategy', 'rollingUpdate'), { maxSurge: 1, maxUnavailable: 0 });
	assert.equal(pick(deployment, 'spec', 'minReadySeconds'), 2);
});

test('while no operator runs no pod goes but the one that was let go', async (t) => {
	for (let looks = 1; looks <= 20; looks++) {
		const world = await startWorld(t);
		await roll(world, '2');
		for (let look = 0; look < looks; look++) {
			await world.look();
			world.turn();
			world.nowMs += 1000;
		}
		const before = world.removed.length;
		for (let turn = 0; turn < 40; turn++) {
			world.turn();
			world.nowMs += 1000;
		}
		assert.ok(world.removed.length <= before + 1, `after look ${looks}: ${world.removed.join()}`);
		assertAllEmpty(world);
	}
});

test('an operator that ends at any point of a roll-out is followed by one that goes on; nothing is done twice', async (t) => {
	for (let point = 1; point <= 20; point++) {
		const world = await startWorld(t);
		await roll(world, '2');
		let left = point;
		world.kube.beforeWrite = () => {
			if (--left <= 0) {
				throw new Error('the operator ended here');
			}
		};
		await world.run(() => left <= 0 || world.isQuiet());
		world.kube.beforeWrite = () => undefined;
		await world.restartOperator();
		await rolledTo(world, '2');
		assert.equal(world.removed.length, PODS, `ended at write ${point}: ${world.removed.join()}`);
		assertAllEmpty(world);
	}
});

test('a template that changes in the middle: no pod goes with its clients, whichever version it has', async (t) => {
	for (let turns = 1; turns <= 40; turns += 5) {
		const world = await startWorld(t);
		await roll(world, '2');
		let left = turns;
		await world.run(() => left-- === 0);
		await roll(world, '3');
		await rolledTo(world, '3');
		assertAllEmpty(world);
	}
});

test('a roll-out whose new pods recover too few clients stops and says why; named by its key it goes on', async (t) => {
	const world = await startWorld(t);
	world.metricsOf = recoveries('2', 10, 10);
	await roll(world, '2');
	await world.run(() => world.condition('Progressing') === 'False RolloutStopped');
	const event = world.events.find(({ reason }) => reason === 'RolloutStopped');
	assert.match(
		event?.message ?? '',
		/recovered 50% of 20 clients that came back, rollout.minRecoveredPercent is 80\. .*socketfleet.dev\/resume=/,
	);
	for (let turn = 0; turn < 50; turn++) {
		await world.look();
		world.turn();
		world.nowMs += 1000;
	}
	assert.deepEqual([world.removed, world.annotations('version').toSorted()], [[], ['1', '1', '1', '2']]);
	assert.deepEqual(world.cordoned, [], 'a pod that was about to go is back in service');

	await world.restartOperator();
	const key = String(pick(world.fleet(), 'status', 'rollout', 'key'));
	await world.change({ metadata: { annotations: { [RESUME_ANNOTATION]: key } } });
	await rolledTo(world, '2');
	assert.equal(pick(world.fleet(), 'status', 'rollout'), undefined);
	assert.equal(world.events.filter(({ reason }) => reason === 'RolloutStopped').length, 1);
});

test('rolled back: the pods have the template of before until another is asked for', async (t) => {
	const world = await startWorld(t, { rollout: { minReadySeconds: 2, onFailure: 'rollBack' } });
	world.metricsOf = (pod) => (pod.metadata.annotations?.version === '2' && world.removed.length > 0 ? recoveries('2', 0, 30)(pod) : '');
	await roll(world, '2');
	await world.run(() => world.condition('Progressing') === 'True RollingBack');
	assert.equal(world.removed.length, 1, 'a pod of before has gone');
	await world.restartOperator();
	await world.run(() => world.condition('Progressing') === 'False RolledBack' && world.annotations('version').join() === '1,1,1');
	assertAllEmpty(world);
	assert.equal(world.events.filter(({ reason }) => reason === 'RolloutRolledBack').length, 1);
	await world.change({ spec: { replicas: PODS + 1 } });
	await world.run(() => world.pods().length === PODS + 1 && world.condition('Ready') === 'True AllReady');
	assert.deepEqual(world.annotations('version'), ['1', '1', '1', '1'], 'another size is no other template');
	await world.change({ spec: { replicas: PODS } });
	await world.run(() => world.pods().length === PODS);

	await roll(world, '3');
	await rolledTo(world, '3');
	assertAllEmpty(world);
});

test('rolled back too: a template whose pods never start, after ten minutes', async (t) => {
	const world = await startWorld(t, { rollout: { minReadySeconds: 2, onFailure: 'rollBack' } });
	world.waiting = (pod) =>
		pod.metadata.annotations?.version === '2' ? { reason: 'ImagePullBackOff', message: 'no such image' } : undefined;
	await roll(world, '2');
	await world.run(() => world.condition('Degraded') === 'True PodsFail');
	await world.run(() => world.condition('Progressing') === 'False RolledBack' && world.pods().length === PODS, 700);
	assert.match(String(pick(world.fleet(), 'status', 'rollout', 'message')), /not ready after ten minutes: pod chat-4: ImagePullBackOff/);
	assert.deepEqual(world.annotations('version'), ['1', '1', '1']);
	assert.equal(world.condition('Degraded'), 'False AsWanted');
});

test('an operator that may not read ReplicaSets says so; the roll-out waits for the right, the rest of the fleet does not', async (t) => {
	const world = await startWorld(t);
	const { list } = world.kube;
	world.kube.list = (resource, scope) =>
		resource === RESOURCES.ReplicaSet
			? Promise.reject(new KubeError('forbidden', 'list replicasets: cannot list resource', { httpStatus: 403 }))
			: list.call(world.kube, resource, scope);
	await world.change({ spec: { podAnnotations: { version: '2' }, service: { annotations: { seen: 'yes' } } } });
	await world.run(() => world.condition('Degraded') === 'True NotApplied');
	assert.match(
		JSON.stringify(pick(world.fleet(), 'status', 'conditions')),
		/the roll-out waits: list replicasets: cannot list .*upgrade the chart/,
	);
	assert.equal(pick(await world.kube.get(RESOURCES.Service, ref), 'metadata', 'annotations', 'seen'), 'yes');
	assert.deepEqual(world.removed, []);
	world.kube.list = list;
	await rolledTo(world, '2');
	assert.equal(world.condition('Degraded'), 'False AsWanted');
	assertAllEmpty(world);
});

test('a clock that jumps holds nothing up, and is no reason to roll back', async (t) => {
	for (const jumpMs of [3_600_000, -3_600_000]) {
		for (const turns of [4, 8, 12]) {
			const world = await startWorld(t, { rollout: { minReadySeconds: 2, onFailure: 'rollBack' } });
			await roll(world, '2');
			let left = turns;
			await world.run(() => left-- === 0);
			world.skewMs = jumpMs;
			await rolledTo(world, '2');
			assert.deepEqual(
				world.events.filter(({ reason }) => reason === 'RolloutRolledBack'),
				[],
			);
		}
	}
});
