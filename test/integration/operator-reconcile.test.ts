import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeError } from '../../src/kube/errors.ts';
import { keyOf, pick, RESOURCES } from '../../src/kube/object.ts';
import { FINALIZER } from '../../src/operator/api/fleet.ts';
import { FleetWorld } from '../support/fleet-world.ts';

const ref = { namespace: 'demo', name: 'chat' };

test('a fleet is made, then left alone: a second look writes nothing', async (t) => {
	const world = new FleetWorld(t);
	await world.createFleet({ replicas: 2, rollout: { minReadySeconds: 2 } });
	await world.run(() => world.pods().length === 2 && world.condition('Ready') === 'True AllReady');
	assert.deepEqual(world.kube.names(RESOURCES.Service), ['chat', 'chat-headless', 'chat-redis']);
	assert.deepEqual(world.kube.names(RESOURCES.Secret), ['chat-fleet-key', 'chat-redis']);
	const secret = await world.kube.get(RESOURCES.Secret, { namespace: 'demo', name: 'chat-fleet-key' });

	await world.look();
	const before = world.kube.writes.length;
	await world.look();
	await world.restartOperator();
	await world.look();
	assert.deepEqual(world.kube.writes.slice(before), []);
	assert.deepEqual(await world.kube.get(RESOURCES.Secret, { namespace: 'demo', name: 'chat-fleet-key' }), secret);
});

test('edits by others are put right, deleted objects come back, what is no longer wanted goes', async (t) => {
	const world = new FleetWorld(t);
	await world.createFleet({ replicas: 1, api: { enabled: true } });
	await world.look();
	await world.kube.patch(RESOURCES.Service, ref, { spec: { type: 'NodePort' }, metadata: { annotations: { foreign: 'kept' } } });
	world.kube.drop(RESOURCES.PodDisruptionBudget, ref);
	await world.change({ spec: { api: { enabled: false } } });
	await world.look();
	const service = await world.kube.get(RESOURCES.Service, ref);
	assert.equal(pick(service, 'spec', 'type'), 'ClusterIP');
	assert.equal(service?.metadata.annotations?.foreign, 'kept');
	assert.deepEqual(world.kube.names(RESOURCES.PodDisruptionBudget), ['chat']);
	assert.equal(world.kube.names(RESOURCES.Service).includes('chat-api'), false);
	assert.deepEqual(world.kube.names(RESOURCES.Secret), ['chat-fleet-key', 'chat-redis']);
});

test('what belongs to someone else is not touched, the rest is made, and the condition says what to do', async (t) => {
	const world = new FleetWorld(t);
	world.kube.seed(RESOURCES.Service, { metadata: ref, spec: { type: 'ExternalName' } });
	await world.createFleet({ replicas: 1 });
	await world.look();
	await world.look();
	assert.equal(pick(await world.kube.get(RESOURCES.Service, ref), 'spec', 'type'), 'ExternalName');
	assert.deepEqual(world.kube.names(RESOURCES.Deployment), ['chat']);
	assert.equal(world.condition('Degraded'), 'True NotApplied');
	assert.match(
		world.events.find(({ reason }) => reason === 'NotApplied')?.message ?? '',
		/Service chat exists and is not this fleet's: .*socketfleet.dev\/adopt=true/,
	);
	await world.change({ metadata: { annotations: { 'socketfleet.dev/adopt': 'true' } } });
	await world.look();
	assert.equal(pick(await world.kube.get(RESOURCES.Service, ref), 'spec', 'type'), 'ClusterIP');
});

test('an object that is refused stops neither the others nor the status', async (t) => {
	const world = new FleetWorld(t);
	world.kube.beforeWrite = (write) => {
		if (write === 'apply NetworkPolicy/chat') {
			throw new KubeError('forbidden', 'quota exceeded', { httpStatus: 403 });
		}
	};
	await world.createFleet({ replicas: 1 });
	const result = await world.look();
	assert.deepEqual(result.kind, 'requeue');
	assert.deepEqual(world.kube.names(RESOURCES.Deployment), ['chat']);
	assert.equal(world.condition('Degraded'), 'True NotApplied');
});

test('paused: nothing is changed; deleted: connections are closed first, then the finalizer goes', async (t) => {
	const world = new FleetWorld(t);
	await world.createFleet({ replicas: 2, redis: { source: 'external', url: 'redis://cache' } });
	await world.run(() => world.pods().length === 2);
	await world.change({ metadata: { annotations: { 'socketfleet.dev/paused': 'true' } }, spec: { replicas: 5 } });
	const before = world.kube.writes.length;
	await world.look();
	assert.deepEqual(world.kube.writes.slice(before), ['apply status SocketFleet/chat']);
	assert.equal(world.condition('Progressing'), 'False Paused');

	for (const name of world.pods()) {
		world.connections.set(name, 12);
	}
	await world.kube.remove(RESOURCES.SocketFleet, ref);
	await world.look();
	assert.deepEqual(world.fleet()?.metadata.finalizers, [FINALIZER]);
	assert.equal(world.cordoned.length, 2);
	await world.run(() => world.fleet() === undefined);
	assert.deepEqual([...world.connections.values()], [0, 0]);
	assert.deepEqual(world.kube.names(RESOURCES.Deployment), []);
});

test('a fleet whose connections never close goes all the same when the time of a drain is over', async (t) => {
	const world = new FleetWorld(t);
	await world.createFleet({ replicas: 1 });
	await world.run(() => world.pods().length === 1);
	await world.kube.remove(RESOURCES.SocketFleet, ref);
	await world.run(() => {
		world.connections.set('chat-1', 1000); // clients that will not go
		return world.fleet() === undefined;
	});
	assert.deepEqual(world.events.at(-1)?.reason, 'DrainOverdue');
});

test('rebalance: the round stands in the status before it runs, and a dry run closes nothing', async (t) => {
	const world = new FleetWorld(t);
	await world.createFleet({ replicas: 2, rebalance: { enabled: true, dryRun: true } });
	await world.settled(2);
	world.connections.set('chat-1', 600);
	world.connections.set('chat-2', 200);
	await world.look();
	assert.deepEqual(world.calls, []);
	assert.match(world.events.at(-1)?.message ?? '', /Would move connections: 80 of pod chat-1/);

	world.nowMs += 61_000;
	await world.change({ spec: { rebalance: { dryRun: false } } });
	await world.look();
	assert.deepEqual(world.calls, ['shed chat-1 80']);
	await world.restartOperator();
	await world.look();
	assert.deepEqual(world.calls, ['shed chat-1 80'], 'the next operator knows of the round');
	assert.equal(pick(world.fleet(), 'status', 'rebalance', 'movedConnections'), 160);
});

test('scale-down: an operator that ends at any point is followed by one that goes on; nobody but the emptiest pods goes, and empty', async (t) => {
	for (let point = 1; point <= 20; point++) {
		const world = new FleetWorld(t);
		await world.createFleet({ replicas: 4, drain: { delaySeconds: 2, failReadinessFirst: 'false' } });
		await world.settled(4);
		for (const [index, name] of world.pods().entries()) {
			world.connections.set(name, [40, 12, 50, 8][index] ?? 0);
		}
		await world.change({ spec: { replicas: 2 } });
		let left = point;
		world.kube.beforeWrite = () => {
			if (--left <= 0) {
				throw new Error('the operator ended here');
			}
		};
		await world.run(() => left <= 0 || world.removed.length === 2);
		world.kube.beforeWrite = () => undefined;
		await world.restartOperator();
		await world.settled(2);
		assert.deepEqual(world.removed.toSorted(), ['chat-2:0', 'chat-4:0'], `ended at write ${point}`);
		assert.deepEqual(pick(world.cache.children.get('Deployment')?.get(keyOf(ref)), 'spec', 'replicas'), 2);
	}
});

test('scale-down taken back: the pod that drains returns to service', async (t) => {
	const world = new FleetWorld(t);
	await world.createFleet({ replicas: 2 });
	await world.settled(2);
	world.connections.set('chat-1', 100);
	world.connections.set('chat-2', 90);
	await world.change({ spec: { replicas: 1 } });
	await world.look();
	assert.deepEqual([...world.cordoned], ['chat-2']);
	await world.change({ spec: { replicas: 2 } });
	await world.look();
	assert.deepEqual([...world.cordoned], []);
	assert.deepEqual(world.events.at(-1)?.reason, 'DrainCancelled');
	const annotations = (await world.kube.get(RESOURCES.Pod, { namespace: 'demo', name: 'chat-2' }))?.metadata.annotations;
	assert.deepEqual(Object.keys(annotations ?? {}), ['socketfleet.dev/fleet-key-rotation']);
});
