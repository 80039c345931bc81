/** An API server that refuses, other operators and people at the same objects, and what shows only at run time: each becomes a condition, none stops a fleet. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { KubeError } from '../../src/kube/errors.ts';
import { pick, RESOURCES } from '../../src/kube/object.ts';
import { FleetWorld } from '../support/fleet-world.ts';

const ref = { namespace: 'demo', name: 'chat' };
const SPEC = {
	replicas: 3,
	drain: { delaySeconds: 2, failReadinessFirst: 'false', spreadSeconds: 3 },
	rollout: { minReadySeconds: 2 },
	podAnnotations: { version: '1' },
};

async function startWorld(t: TestContext, spec: object = {}): Promise<FleetWorld> {
	const world = new FleetWorld(t);
	await world.createFleet({ ...SPEC, ...spec });
	await world.settled(3);
	for (const name of world.pods()) {
		world.connections.set(name, 30);
	}
	return world;
}

function sentenceOf(world: FleetWorld, type: string): string {
	const conditions = pick(world.fleet(), 'status', 'conditions') as readonly { type: string; message: string }[];
	return conditions.find((each) => each.type === type)?.message ?? '';
}

test('an API server that throttles every third write slows a roll-out and a scale-down, and spoils nothing', async (t) => {
	const world = await startWorld(t);
	let writes = 0;
	world.kube.beforeWrite = () => {
		if (++writes % 3 === 0) {
			throw new KubeError('throttled', 'too many requests', { httpStatus: 429, retryAfterMs: 1000 });
		}
	};
	await world
		.change({ spec: { podAnnotations: { version: '2' } } })
		.catch(() => world.change({ spec: { podAnnotations: { version: '2' } } }));
	await world.run(() => world.annotations('version').join() === '2,2,2' && world.isQuiet(), 400);
	await world.change({ spec: { replicas: 2 } }).catch(() => world.change({ spec: { replicas: 2 } }));
	await world.run(() => world.pods().length === 2 && world.isQuiet(), 400);
	assert.equal(world.removed.length, 4);
	assert.deepEqual(
		world.removed.filter((each) => !each.endsWith(':0')),
		[],
	);
});

test('two operators at once do what one does: no pod goes twice, none with its clients', async (t) => {
	const world = await startWorld(t);
	await world.addOperator();
	await world.change({ spec: { podAnnotations: { version: '2' } } });
	await world.run(() => world.annotations('version').join() === '2,2,2' && world.isQuiet(), 400);
	await world.change({ spec: { replicas: 2 } });
	await world.run(() => world.pods().length === 2 && world.isQuiet(), 400);
	assert.equal(world.removed.length, 4);
	assert.deepEqual(
		world.removed.filter((each) => !each.endsWith(':0')),
		[],
	);
});

test('a fleet that is deleted in the middle of a roll-out or of a scale-down is drained and goes', async (t) => {
	for (const change of [{ podAnnotations: { version: '2' } }, { replicas: 1 }]) {
		const world = await startWorld(t);
		await world.change({ spec: change });
		await world.run(() => world.cordoned.length > 0);
		await world.kube.remove(RESOURCES.SocketFleet, ref);
		await world.run(() => world.fleet() === undefined);
		assert.deepEqual([world.kube.names(RESOURCES.Deployment), world.pods()], [[], []]);
		assert.deepEqual(
			world.events.filter(({ reason }) => reason === 'DrainOverdue'),
			[],
		);
	}
});

test('foreign edits in the middle of a roll-out: scaled by hand, unpaced by hand, another image: put right', async (t) => {
	const edits = [
		{ replicas: 1 },
		{ minReadySeconds: 0, strategy: { rollingUpdate: { maxUnavailable: 3 } } },
		{ template: { metadata: { annotations: { version: 'foreign' } } } },
	];
	for (const edit of edits) {
		const world = await startWorld(t);
		await world.change({ spec: { podAnnotations: { version: '2' } } });
		await world.run(() => world.cordoned.length > 0);
		await world.kube.patch(RESOURCES.Deployment, ref, { spec: edit });
		await world.run(() => world.annotations('version').join() === '2,2,2' && world.isQuiet());
	}
});

test('a Deployment that is deleted by hand comes back, in the middle of a roll-out too', async (t) => {
	const world = await startWorld(t);
	await world.change({ spec: { podAnnotations: { version: '2' } } });
	await world.run(() => world.cordoned.length > 0);
	world.kube.drop(RESOURCES.Deployment, ref);
	await world.run(() => world.annotations('version').join() === '2,2,2' && world.isQuiet());
});

test('what shows only at run time is said with the pod, and heals by itself', async (t) => {
	const causes = [
		[
			{ reason: 'ImagePullBackOff', message: 'Back-off pulling image "chat:1.4.1"' },
			/pod chat-\d: ImagePullBackOff \(Back-off pulling image "chat:1\.4\.1"\)/,
		],
		[
			{ reason: 'CreateContainerConfigError', message: 'secret "keys" not found' },
			/CreateContainerConfigError \(secret "keys" not found\)/,
		],
	] as const;
	for (const [waiting, sentence] of causes) {
		const world = new FleetWorld(t);
		world.waiting = () => waiting;
		await world.createFleet({ ...SPEC, fleetKey: { existingSecret: 'keys' } });
		await world.run(() => world.condition('Degraded') === 'True PodsFail');
		assert.match(sentenceOf(world, 'Degraded'), sentence);
		assert.match(world.events.find(({ reason }) => reason === 'PodsFail')?.message ?? '', sentence);
		assert.equal(world.condition('Ready'), 'False PodsNotReady');
		world.waiting = () => undefined;
		await world.settled(3);
		assert.equal(world.condition('Degraded'), 'False AsWanted');
	}
});

test('a quota that is exceeded: for an object, and for pods', async (t) => {
	const world = new FleetWorld(t);
	const refusal = 'exceeded quota: small, requested: services=1, used: services=2, limited: services=2';
	world.kube.beforeWrite = (write) => {
		if (write === 'apply Service/chat-headless') {
			throw new KubeError('forbidden', refusal, { httpStatus: 403 });
		}
	};
	await world.createFleet(SPEC);
	await world.run(() => world.condition('Degraded') === 'True NotApplied');
	assert.match(sentenceOf(world, 'Degraded'), /Service chat-headless can't be applied: exceeded quota: small/);
	world.kube.beforeWrite = () => undefined;
	await world.settled(3);
	assert.equal(world.condition('Degraded'), 'False AsWanted');
});
