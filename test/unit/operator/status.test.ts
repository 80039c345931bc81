import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FleetPod } from '../../../src/fleet/pods.ts';
import type { KubeObject } from '../../../src/kube/object.ts';
import type { ConditionType } from '../../../src/operator/api/fleet.ts';
import { buildPlan } from '../../../src/operator/plan.ts';
import { buildStatus } from '../../../src/operator/status.ts';
import type { StatusInput } from '../../../src/operator/verdicts.ts';
import { fleet, pod, readings } from '../../support/fleet-fixtures.ts';

const NOW = new Date('2026-01-01T00:00:00Z');

function deployment(replicas: number, status: object = { replicas, updatedReplicas: replicas }): KubeObject {
	return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'chat' }, spec: { replicas }, status };
}

function look(pods: readonly FleetPod[], more: Partial<StatusInput> = {}) {
	const input = { fleet: fleet({ replicas: pods.length }), deployment: deployment(pods.length), pods, ...more };
	const wanted = { hash: '', body: {} };
	const plan = 'plan' in more ? more.plan : buildPlan({ ...input, wanted, revisions: undefined, nowMs: NOW.getTime() });
	const status = buildStatus({ earlier: new Map(), problems: [], now: NOW, ...input, plan });
	const verdict = (type: ConditionType): string => {
		const condition = status.conditions.find((each) => each.type === type);
		return `${condition?.status} ${condition?.reason}`;
	};
	const sentence = (type: ConditionType): string => status.conditions.find((each) => each.type === type)?.message ?? '';
	return { status, verdict, sentence };
}

test('a fleet that is well', () => {
	const { status, verdict } = look([pod('a', 5), pod('b', 7)]);
	assert.deepEqual([status.connections, status.workers, status.replicas, status.readyReplicas], [12, 4, 2, 2]);
	assert.equal(status.selector, 'app.kubernetes.io/name=socketfleet,app.kubernetes.io/instance=chat,app.kubernetes.io/component=fleet');
	const types: ConditionType[] = ['Ready', 'Progressing', 'Degraded', 'RedisReachable', 'RecoveryWindowCovered', 'AffinityHealthy'];
	assert.deepEqual(types.map(verdict), ['True AllReady', 'False Stable', 'False AsWanted', 'True Reachable', 'True Covered', 'True Local']);
});

test('seen twice the same, the status is the same: nothing is written', () => {
	const pods = [pod('a', 5), pod('b', 7)];
	const first = look(pods).status;
	const again = look(pods, { fleet: fleet({ replicas: 2 }, { status: first }), now: new Date('2026-01-02T00:00:00Z') }).status;
	assert.deepEqual(again, first);
});

test('what is wrong is said, with the worst first', () => {
	const broken = [pod('a', 5), pod('b', 'silent', { ready: false, problem: 'pod b: ImagePullBackOff (no such image)' })];
	assert.equal(look(broken).verdict('Ready'), 'False PodsNotReady');
	assert.equal(look(broken).verdict('Degraded'), 'True PodsFail');
	assert.match(look(broken).sentence('Degraded'), /no such image/);
	const { verdict, sentence } = look(broken, { problems: ['one', 'two', 'three'] });
	assert.equal(verdict('Degraded'), 'True NotApplied');
	assert.equal(sentence('Degraded'), 'one; two; three. And 1 more.');
	const full = 'Redis is out of memory: raise maxmemory';
	const reporting = look([pod('a', 5, { reasons: [full] }), pod('b', 5, { reasons: [full] })]);
	assert.deepEqual([reporting.verdict('Degraded'), reporting.sentence('Degraded')], ['True PodsReport', `${full}.`]);
	const quota = deployment(2, { conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'exceeded quota' }] });
	assert.match(look([pod('a')], { deployment: quota }).sentence('Degraded'), /exceeded quota/);
});

test('Redis: away on one pod is away, silent pods prove nothing', () => {
	const without = pod('b', 7, { readings: readings(7, { redisUp: false }) });
	assert.equal(look([pod('a'), without]).verdict('RedisReachable'), 'False Away');
	assert.match(look([pod('a'), without]).sentence('RedisReachable'), /Pods without Redis: b\./);
	assert.equal(look([pod('a', 'silent')]).verdict('RedisReachable'), 'Unknown NoReadings');
	assert.equal(look([pod('a')], { fleet: fleet({ replicas: 1, redis: { source: 'none' } }) }).verdict('RedisReachable'), 'True NotUsed');
});

test('a stream that is trimmed too early has a condition of its own, and is said once', () => {
	const short = 'the stream holds 30 s of messages, less than the recovery window: raise streamMaxEntries';
	const { verdict, sentence } = look([pod('a', 5, { reasons: [short] }), pod('b', 5)]);
	assert.deepEqual([verdict('RecoveryWindowCovered'), verdict('Degraded')], ['False RetentionShort', 'False AsWanted']);
	assert.match(sentence('RecoveryWindowCovered'), /holds 30 s .* raise streamMaxEntries \(in spec.config\)/);
	assert.equal(look([pod('a', 'silent')]).verdict('RecoveryWindowCovered'), 'Unknown NoReadings');
	const off = fleet({ replicas: 1, config: { recovery: false } });
	assert.equal(look([pod('a')], { fleet: off }).verdict('RecoveryWindowCovered'), 'True NotUsed');
});

test('affinity: a peer that holds most connections, and sessions that arrive at the wrong pod', () => {
	const proxied = pod('a', 9, { readings: readings(9, { dominantPeer: true }) });
	assert.equal(look([proxied, pod('b')]).verdict('AffinityHealthy'), 'False DominantPeer');

	const now = pod('a', 9, { readings: readings(9, { forwardedToPods: 130, openedSessions: 20 }) });
	const earlier = new Map([['uid-a', readings(9, { forwardedToPods: 100, openedSessions: 10 })]]);
	const behind = (mode: string) => fleet({ replicas: 1, ingress: { enabled: true, controller: 'nginx', affinity: { mode } } });
	assert.equal(look([now], { earlier, fleet: behind('cookie') }).verdict('AffinityHealthy'), 'False Forwarding');
	assert.equal(look([now], { earlier, fleet: behind('none') }).verdict('AffinityHealthy'), 'True Local');
	assert.equal(look([now], { earlier: new Map(), fleet: behind('cookie') }).verdict('AffinityHealthy'), 'True Local');
});

test('what is under way', () => {
	const draining = pod('b', 3, { drainingSinceMs: NOW.getTime() });
	const down = look([pod('a', 5), draining], { fleet: fleet({ replicas: 1 }), deployment: deployment(2) });
	assert.equal(down.verdict('Progressing'), 'True ScalingDown');
	assert.equal(down.status.drainingPod, 'b');
	const unpaced = {
		fleet: fleet({ replicas: 2, rollout: { paced: false } }),
		deployment: deployment(2, { replicas: 2, updatedReplicas: 1 }),
	};
	assert.equal(look([pod('a'), pod('b')], unpaced).verdict('Progressing'), 'True RollingOut');
	assert.equal(look([pod('a')], { plan: undefined }).verdict('Progressing'), 'False Paused');
});
