import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KubeObject, pick } from '../../../src/kube/object.ts';
import { buildDeployment } from '../../../src/operator/desired/deployment.ts';
import { judgeRollout } from '../../../src/operator/scale/rollout.ts';
import { fleet, pod } from '../../support/fleet-fixtures.ts';

const NOW = 1_000_000;
const leaving = pod('x', 10, { terminating: true, goneByMs: NOW + 40_000 });

function deployment(replicas: number, existing: number, updated: number): KubeObject {
	return {
		apiVersion: 'apps/v1',
		kind: 'Deployment',
		metadata: { name: 'chat' },
		spec: { replicas },
		status: { replicas: existing, updatedReplicas: updated },
	};
}

test('a paced roll-out waits while a pod leaves, goes on when it is gone, and is over when all are new', () => {
	const judge = (object: KubeObject, pods = [leaving], paced = true) => {
		const { underWay, paused } = judgeRollout(object, pods, { paced, nowMs: NOW });
		return [underWay, paused];
	};
	assert.deepEqual(judge(deployment(3, 4, 2)), [true, true]);
	assert.deepEqual(judge(deployment(3, 4, 2), []), [true, false]);
	assert.deepEqual(judge(deployment(3, 4, 2), [leaving], false), [true, false]);
	assert.deepEqual(judge(deployment(3, 3, 3)), [false, false]);
	// A scale-down is no roll-out, nor is a scale-up.
	assert.deepEqual(judge(deployment(2, 3, 3)), [false, false]);
	assert.deepEqual(judge(deployment(5, 3, 3)), [false, false]);
	// A pod on a node that is lost never goes: it is waited for no longer than its time.
	assert.deepEqual(judge(deployment(3, 4, 2), [{ ...leaving, goneByMs: NOW - 30_001 }]), [true, false]);
});

test('while it waits new pods do not count as available, so that the last old pod waits too', () => {
	const { spec, metadata } = fleet({ drain: { delaySeconds: 20, spreadSeconds: 30, marginSeconds: 10 } });
	const readySeconds = (paused: boolean): unknown => {
		const input = { name: metadata.name, namespace: 'demo', spec };
		return pick(buildDeployment(input, { replicas: 3, paused }), 'spec', 'minReadySeconds');
	};
	assert.deepEqual([readySeconds(false), readySeconds(true)], [5, 65]);
});
