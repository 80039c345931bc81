import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../../../src/base/errors.ts';
import { KubeError } from '../../../src/kube/errors.ts';
import { RESOURCES } from '../../../src/kube/object.ts';
import { paceOf } from '../../../src/kubectl/drain.ts';
import { type Fleet, listFleets } from '../../../src/kubectl/fleets.ts';
import { withoutName } from '../../../src/kubectl/read-pods.ts';
import { buildReport as buildRebalance } from '../../../src/kubectl/rebalance.ts';
import { buildReport, renderFleet, renderFleets } from '../../../src/kubectl/status.ts';
import { createTokenReader } from '../../../src/kubectl/tokens.ts';
import { examinedPod, NOW_MS, object } from '../../support/examination.ts';
import { FakeKube } from '../../support/fake-kube.ts';
import { pod } from '../../support/fleet-fixtures.ts';
import { status, worker } from '../../support/pod-status.ts';

const LABELS = { 'app.kubernetes.io/name': 'socketfleet' };
const fleet: Fleet = {
	name: 'chat',
	namespace: 'demo',
	deployment: object('Deployment', 'chat', { spec: { replicas: 3 } }),
	socketFleet: undefined,
};

function seedDeployment(kube: FakeKube, name: string, component = 'fleet', more: object = {}): void {
	kube.seed(RESOURCES.Deployment, {
		metadata: { name, namespace: 'demo', labels: LABELS, ...more },
		spec: { selector: { matchLabels: { 'app.kubernetes.io/component': component } } },
	});
}

test('fleets: of charts and of the operator alike, and nothing else that carries the name', async () => {
	const kube = new FakeKube();
	seedDeployment(kube, 'chat');
	seedDeployment(kube, 'owned');
	seedDeployment(kube, 'tool', 'tool');
	kube.seed(RESOURCES.SocketFleet, { metadata: { name: 'owned', namespace: 'demo' }, spec: {} });
	kube.seed(RESOURCES.SocketFleet, { metadata: { name: 'new', namespace: 'demo' }, spec: {} });
	const fleets = await listFleets(kube, 'demo');
	assert.deepEqual(
		fleets.map(({ name, deployment, socketFleet }) => [name, deployment !== undefined, socketFleet !== undefined]),
		[
			['chat', true, false],
			['new', false, true],
			['owned', true, true],
		],
	);
});

test('SocketFleets that may not be read matter only to a fleet that is one; no definition, no SocketFleets', async () => {
	const kube = new FakeKube();
	const list = kube.list.bind(kube);
	let failure = new KubeError('not-found', 'no such resource', { httpStatus: 404 });
	kube.list = async (resource, scope) => (resource === RESOURCES.SocketFleet ? Promise.reject(failure) : list(resource, scope));
	seedDeployment(kube, 'chat');
	assert.equal((await listFleets(kube, 'demo')).length, 1);
	failure = new KubeError('forbidden', 'no', { httpStatus: 403 });
	assert.equal((await listFleets(kube, 'demo')).length, 1);
	seedDeployment(kube, 'owned', 'fleet', { ownerReferences: [{ kind: 'SocketFleet', name: 'owned', controller: true }] });
	await assert.rejects(listFleets(kube, 'demo'), /fleet owned is a SocketFleet.*verb list on socketfleets\.socketfleet\.dev/);
});

test('status: numbers of pods that answer, and sentences about those that do not', () => {
	const pods = [
		{
			object: object('Pod', 'a'),
			pod: pod('a'),
			answer: status({ connections: 1200, workers: [worker(), worker({ slot: 1, state: 'starting' })] }),
			problem: undefined,
		},
		{ object: object('Pod', 'b'), pod: pod('b', 0, { ready: false }), answer: undefined, problem: 'ImagePullBackOff' },
		{
			object: object('Pod', 'c'),
			pod: pod('c', 0, { drainingSinceMs: 1 }),
			answer: status({ version: '0.2.0', connections: 5, cordoned: true, ready: false }),
			problem: undefined,
		},
	];
	const report = buildReport(fleet, pods, NOW_MS);
	assert.deepEqual([report.ready, report.wanted, report.connections, report.workers, report.versions], [2, 3, 1205, 2, ['0.1.0', '0.2.0']]);
	assert.deepEqual(report.problems, ['pod b: ImagePullBackOff', 'pod c: drains to be removed']);
	const text = renderFleet(report);
	assert.match(
		text,
		/^fleet chat in namespace demo, a Deployment, socketfleet 0\.1\.0 and 0\.2\.0\n2 of 3 pods ready, 1,205 connections, 2 workers\n\n/,
	);
	assert.match(text, /^a +ready +1,200 +1\/2 +0\.1\.0 +\d+d +-$/m);
	assert.match(text, /^b +not ready +- +- +- /m);
	assert.match(text, /^c +out of service +5 /m);
	assert.match(renderFleets([report], 'demo'), /^chat +Deployment +2\/3 +1,205 +2 +0\.1\.0, 0\.2\.0 +2$/m);
	assert.equal(renderFleets([], 'demo'), 'no fleets in namespace demo\n');
});

test('status: the conditions of a SocketFleet, and that it has no Deployment yet', () => {
	const conditions = [{ type: 'Ready', status: 'False', reason: 'PodsNotReady', message: '0 of 3 pods are ready.' }];
	const socketFleet = object('SocketFleet', 'chat', { spec: { replicas: 3 }, status: { conditions } });
	const report = buildReport({ ...fleet, deployment: undefined, socketFleet }, [], NOW_MS);
	assert.deepEqual([report.origin, report.wanted, report.conditions], ['SocketFleet', 3, conditions]);
	assert.match(
		renderFleet(report),
		/^Ready +False +PodsNotReady +0 of 3 pods are ready\.\n\n! there is no Deployment yet: does an operator run\?$/m,
	);
});

/** Pods, and what is said of them. */
const REBALANCES: readonly (readonly [string, RegExp, Parameters<typeof buildRebalance>[1], Partial<Fleet>])[] = [
	[
		'moves',
		/fullest pod has 150 % of the mean: this round would move 40 connections, within 10 % a minute/,
		[pod('a', 200), pod('b', 200), pod('c', 0)],
		{},
	],
	['is even', /fullest pod has 100 % of the mean, and a rebalance starts above 125 %/, [pod('a', 200), pod('b', 200)], {}],
	['is small', /9 connections are fewer than rebalance\.minConnections \(100\)/, [pod('a', 9), pod('b', 0)], {}],
	['is alone', /there is no other pod/, [pod('a', 900)], {}],
	['has a silent pod', /b did not answer/, [pod('a', 900), pod('b', 'silent')], {}],
	['drains', /a roll-out or a drain is under way/, [pod('a', 900), pod('b', 0, { drainingSinceMs: 1 })], {}],
	[
		'rolls out',
		/a roll-out or a drain is under way/,
		[pod('a', 900), pod('b', 0)],
		{ deployment: object('Deployment', 'chat', { status: { replicas: 2, updatedReplicas: 1 } }) },
	],
	[
		'has settings of its own, and is in a rebalance',
		/would move 100 connections, within 100 % a minute/,
		[pod('a', 600), pod('b', 400)],
		{
			socketFleet: object('SocketFleet', 'chat', {
				spec: { rebalance: { enabled: true, maxPercentPerMinute: 100 } },
				status: { rebalance: { active: true, lastRoundAt: '2026-01-01T00:59:59Z' } },
			}),
		},
	],
];

for (const [what, sentence, pods, more] of REBALANCES) {
	test(`rebalance --dry-run of a fleet that ${what}`, () => {
		const report = buildRebalance({ ...fleet, ...more }, pods, NOW_MS);
		assert.match(report.sentence, sentence);
		assert.equal(report.enabled, more.socketFleet !== undefined);
	});
}

test('a sentence that names its pod, without it', () => {
	assert.equal(withoutName('pod a: ImagePullBackOff', 'a'), 'ImagePullBackOff');
	assert.equal(withoutName('pod a finds no node', 'a'), 'finds no node');
	assert.equal(withoutName('it is pending', 'a'), 'it is pending');
});

test('a pod is drained at its own pace: what Kubernetes waits before the signal, and what the pod waits after it', () => {
	const { object: drained, status: own } = examinedPod('pod1', { config: { drainDelayMs: 5000 } });
	assert.deepEqual(paceOf(drained, own ?? status()), { delayMs: 20_000, spreadMs: 10_000 });
});

test('tokens: from the Secret that the pod names, each read once; none for a pod that has none', async () => {
	const kube = new FakeKube();
	let reads = 0;
	const get = kube.get.bind(kube);
	kube.get = (...args) => {
		reads++;
		return get(...args);
	};
	kube.seed(RESOURCES.Secret, {
		metadata: { name: 'keys', namespace: 'demo' },
		data: { current: Buffer.from('fleet-key').toString('base64') },
	});
	const withEnv = (name: string, value: object) =>
		object('Pod', 'a', { spec: { containers: [{ name: 'socketfleet', env: [{ name, ...value }] }] } });
	const fromSecret = withEnv('SOCKETFLEET_FLEET_KEY', { valueFrom: { secretKeyRef: { name: 'keys', key: 'current' } } });
	const tokens = createTokenReader(kube);
	assert.deepEqual([await tokens.forReading(fromSecret), await tokens.forClosing(fromSecret)], ['', 'fleet-key']);
	await tokens.forClosing(fromSecret);
	assert.equal(reads, 1);
	const plain = withEnv('SOCKETFLEET_ADMIN_TOKEN', { value: 'admin-token' });
	assert.deepEqual([await tokens.forReading(plain), await tokens.forClosing(plain)], ['admin-token', 'admin-token']);
	await assert.rejects(
		tokens.forClosing(object('Pod', 'a', { spec: {} })),
		(error) =>
			error instanceof AppError && error.code === 'ERR_UNAUTHORIZED' && /neither an admin token nor a fleet key/.test(error.message),
	);
});
