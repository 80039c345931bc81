import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FleetPod } from '../../../src/fleet/pods.ts';
import { type KubeObject, pick } from '../../../src/kube/object.ts';
import { RESUME_ANNOTATION, type RolloutStatus } from '../../../src/operator/api/fleet.ts';
import { buildDeployment, type RolloutGate } from '../../../src/operator/desired/deployment.ts';
import { findFailure } from '../../../src/operator/rollout/failure.ts';
import { type Revisions, toRevisions } from '../../../src/operator/rollout/revisions.ts';
import { decideRollout, rolloutKey } from '../../../src/operator/rollout/rollout.ts';
import { fleet, pod, readings } from '../../support/fleet-fixtures.ts';

const NOW = 1_000_000_000;
const WANTED = { hash: 'b', body: {} };
const GOOD = { hash: 'good', body: {} };
const older = (name: string, connections = 10, more: Partial<FleetPod> = {}): FleetPod =>
	pod(name, connections, { templateHash: 'old', ...more });
const drains = { drainingSinceMs: NOW - 20_000, drainUntilMs: NOW + 20_000 };

function deployment(template: string, gate?: RolloutGate): KubeObject {
	const { metadata, spec } = fleet({ replicas: 3 });
	const built = buildDeployment(
		{ name: metadata.name, namespace: 'demo', spec },
		{ replicas: 3, gate, template: { hash: template, body: {} } },
	);
	return { ...built, status: { replicas: 4, updatedReplicas: 1 } };
}

function revisions(olderReplicas: number, settled = 'old'): Revisions {
	return { newest: 'new', olderReplicas, settled: { hash: settled, template: GOOD } };
}

const KEY = rolloutKey(WANTED, fleet().spec.rollout);
const stopped: RolloutStatus = { key: KEY, state: 'stopped', message: 'why' };

interface Case {
	readonly name: string;
	readonly pods: readonly FleetPod[];
	/** Of the Deployment; the wanted one by default. */
	readonly template?: string;
	readonly gate?: RolloutGate;
	readonly revisions?: Revisions | undefined;
	readonly before?: RolloutStatus;
	readonly resume?: string;
	/** Gate, template, victim, state. */
	readonly expected: readonly [number | undefined, string, string | undefined, string | undefined];
}

const CASES: readonly Case[] = [
	{
		name: 'a new template comes with a shut gate',
		pods: [older('a'), older('b'), older('c')],
		template: 'before',
		expected: [0, 'b', undefined, 'waiting'],
	},
	{
		name: 'with a pod to spare, one of the newest is drained before another template comes',
		pods: [older('a'), older('b'), older('c'), pod('d', 3)],
		template: 'before',
		gate: { maxUnavailable: 0 },
		revisions: revisions(3),
		expected: [0, 'before', 'd', 'draining'],
	},
	{
		name: 'and when it is empty it comes',
		pods: [older('a'), older('b'), older('c'), pod('d', 0, drains)],
		template: 'before',
		gate: { maxUnavailable: 0 },
		revisions: revisions(3),
		expected: [0, 'b', 'd', 'drained'],
	},
	{
		name: 'the new pod is ready: the emptiest old one drains',
		pods: [older('a', 5), older('b', 4), older('c', 6), pod('d')],
		revisions: revisions(3),
		expected: [0, 'b', 'b', 'draining'],
	},
	{
		name: 'the new pod is not ready for long enough',
		pods: [older('a'), older('b'), older('c'), pod('d', 0, { readyChangedMs: NOW - 4000 })],
		revisions: revisions(3),
		expected: [0, 'b', undefined, 'waiting'],
	},
	{
		name: 'the pod before is not gone yet',
		pods: [older('a'), older('b'), older('c', 0, { terminating: true, goneByMs: NOW }), pod('d'), pod('e')],
		revisions: revisions(2),
		expected: [1, 'b', undefined, 'waiting'],
	},
	{
		name: 'one on a node that is lost never goes: it is waited for no longer than its time',
		pods: [older('a', 5), older('b', 9), older('c', 0, { terminating: true, goneByMs: NOW - 30_001 }), pod('d'), pod('e')],
		revisions: revisions(2),
		expected: [1, 'b', 'a', 'draining'],
	},
	{
		name: 'empty: one may go',
		pods: [older('a'), older('b', 0, drains), pod('d'), pod('e')],
		gate: { maxUnavailable: 1 },
		revisions: revisions(2),
		expected: [2, 'b', 'b', 'drained'],
	},
	{
		name: 'said once',
		pods: [older('a'), older('b', 0, drains), pod('d'), pod('e')],
		gate: { maxUnavailable: 2 },
		revisions: revisions(2),
		expected: [2, 'b', 'b', 'waiting'],
	},
	{
		name: 'on its way out already: no other may go for it',
		pods: [older('a'), older('b', 0, drains), pod('d'), pod('e')],
		gate: { maxUnavailable: 2 },
		revisions: revisions(1),
		expected: [2, 'b', 'b', 'waiting'],
	},
	{
		name: 'out of time',
		pods: [older('a'), older('b', 7, { ...drains, drainUntilMs: NOW - 1 }), pod('d'), pod('e')],
		revisions: revisions(2),
		expected: [2, 'b', 'b', 'overdue'],
	},
	{
		name: 'of a version that never was complete first: what was before it is what there is to go back to',
		pods: [older('a', 1), older('b', 1), pod('c', 9, { templateHash: 'middle' }), pod('d')],
		revisions: revisions(3),
		expected: [0, 'b', 'c', 'draining'],
	},
	{
		name: 'all are new: the gate opens',
		pods: [pod('a'), pod('b'), pod('c')],
		revisions: revisions(0),
		expected: [undefined, 'b', undefined, undefined],
	},
	{
		name: 'nothing is known yet: the gate stays as it is',
		pods: [older('a'), older('b'), pod('c'), pod('d')],
		gate: { maxUnavailable: 2 },
		expected: [2, 'b', undefined, 'waiting'],
	},
	{
		name: 'stopped: no further pod goes',
		pods: [older('a'), older('b'), older('c'), pod('d')],
		revisions: revisions(3),
		before: stopped,
		expected: [0, 'b', undefined, 'waiting'],
	},
	{
		name: 'named by its key it goes on',
		pods: [older('a'), older('b'), older('c'), pod('d')],
		revisions: revisions(3),
		before: stopped,
		resume: KEY,
		expected: [0, 'b', 'a', 'draining'],
	},
	{
		name: 'another one stopped, not this',
		pods: [older('a'), older('b'), older('c'), pod('d')],
		revisions: revisions(3),
		before: { ...stopped, key: 'other' },
		expected: [0, 'b', 'a', 'draining'],
	},
	{
		name: 'rolled back: a pod of the new version drains, then the old template comes',
		pods: [older('a'), older('b'), older('c'), pod('d', 0, drains)],
		revisions: revisions(3),
		before: { ...stopped, state: 'rolledBack' },
		expected: [0, 'good', 'd', 'drained'],
	},
	{
		name: 'and stays',
		pods: [older('a'), older('b'), older('c')],
		template: 'good',
		before: { ...stopped, state: 'rolledBack' },
		expected: [undefined, 'good', undefined, undefined],
	},
];

for (const { name, pods, template = 'b', gate, revisions: known, before, resume, expected } of CASES) {
	test(name, () => {
		const wish = fleet({ replicas: 3 }, { ...(before ? { status: { rollout: before } } : {}) });
		const annotations = resume === undefined ? {} : { [RESUME_ANNOTATION]: resume };
		const live = { ...deployment(template, gate), ...(known === undefined && gate === undefined ? { status: {} } : {}) };
		const decision = decideRollout({
			fleet: { ...wish, metadata: { ...wish.metadata, annotations } },
			deployment: live,
			wanted: WANTED,
			revisions: known,
			pods,
			nowMs: NOW,
		});
		const { scale } = decision;
		assert.deepEqual([decision.gate?.maxUnavailable, decision.template.hash, scale?.victim?.name, scale?.state], expected);
	});
}

test('not paced: the Deployment is left alone', () => {
	const left = fleet({ replicas: 3, rollout: { paced: false } });
	const input = { fleet: left, wanted: WANTED, revisions: undefined, pods: [], nowMs: NOW };
	const { underWay, gate, scale } = decideRollout({ ...input, deployment: deployment('before') });
	assert.deepEqual([underWay, gate, scale], [true, undefined, undefined]);
	// A scale-down is no roll-out, nor is a scale-up.
	for (const status of [
		{ replicas: 4, updatedReplicas: 4 },
		{ replicas: 2, updatedReplicas: 2 },
	]) {
		assert.equal(decideRollout({ ...input, deployment: { ...deployment('b'), status } }).underWay, false);
	}
});

test('a shut gate: no new pod counts, and the API takes it', () => {
	const spec = pick(deployment('b', { maxUnavailable: 2 }), 'spec');
	const minReady = pick(spec, 'minReadySeconds');
	assert.deepEqual([minReady, pick(spec, 'progressDeadlineSeconds')], [31_536_000, 2_147_483_647]);
	assert.deepEqual(pick(spec, 'strategy', 'rollingUpdate'), { maxSurge: 1, maxUnavailable: 2 });
	assert.deepEqual(
		[pick(deployment('b'), 'spec', 'minReadySeconds'), pick(deployment('b'), 'spec', 'progressDeadlineSeconds')],
		[5, undefined],
	);
});

test('what has passed which bound', () => {
	const judge = (more: object, bounds: object = {}): string =>
		findFailure([pod('a', 5, { readings: readings(5, more) }), pod('b', 'silent')], { ...fleet().spec.rollout, ...bounds }, NOW) ?? '';
	assert.match(judge({ recoveredClients: 15, refusedClients: 5 }), /recovered 75% of 20 clients/);
	assert.equal(judge({ recoveredClients: 16, refusedClients: 4 }), '');
	assert.equal(judge({ recoveredClients: 0, refusedClients: 19 }), '', 'too few to tell');
	assert.equal(judge({ recoveredClients: 0, refusedClients: 50 }, { minRecoveredPercent: 0 }), '');
	assert.match(judge({ openedSessions: 90, unservedConnections: 10 }), /turned away 10% of 100 connections/);
	assert.match(judge({ published: 300, failedPublishes: 16 }), /failed to publish 5\.3% of 300 messages/);
	assert.equal(judge({ published: 300, failedPublishes: 15, openedSessions: 95, unservedConnections: 5 }), '');
	assert.equal(judge({ published: 300, failedPublishes: 300 }, { maxErrorPercent: 100 }), '');
	assert.match(judge({ diedWorkers: 5 }), /workers of the new pods died 5 times/);
	assert.equal(judge({ diedWorkers: 4 }), '');
	assert.equal(judge({ diedWorkers: 50 }, { maxErrorPercent: 100 }), '');
});

test('versions from ReplicaSets: only those of this Deployment, and only when both tell of the same', () => {
	const owner = (uid: string) => ({
		ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'chat', uid, controller: true }],
	});
	const set = (hash: string, revision: number, replicas: number, uid = 'uid-d'): KubeObject => ({
		apiVersion: 'apps/v1',
		kind: 'ReplicaSet',
		metadata: {
			name: `chat-${hash}`,
			labels: { 'pod-template-hash': hash },
			annotations: { 'deployment.kubernetes.io/revision': String(revision) },
			...owner(uid),
		},
		spec: { replicas, template: { metadata: { labels: { app: 'chat', 'pod-template-hash': hash } }, spec: { a: hash } } },
	});
	const live = (revision: number, observedGeneration = 5): KubeObject => ({
		apiVersion: 'apps/v1',
		kind: 'Deployment',
		metadata: { name: 'chat', uid: 'uid-d', generation: 5, annotations: { 'deployment.kubernetes.io/revision': String(revision) } },
		status: { observedGeneration },
	});
	const sets = [set('one', 1, 2), set('zero', 2, 0), set('three', 3, 1), set('four', 4, 1), set('other', 9, 9, 'uid-other')];
	const seen = toRevisions(live(4), sets);
	assert.deepEqual([seen?.newest, seen?.olderReplicas, seen?.settled?.hash], ['four', 3, 'one']);
	assert.deepEqual(seen?.settled?.template.body, { metadata: { labels: { app: 'chat' } }, spec: { a: 'one' } });
	assert.equal(toRevisions(live(3), sets), undefined);
	assert.equal(toRevisions(live(4, 4), sets), undefined);
});
