import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOver, toFleetPod } from '../../../src/fleet/pods.ts';
import { parseReadings, parseReasons } from '../../../src/fleet/readings.ts';
import type { KubeObject } from '../../../src/kube/object.ts';

function object(status: object, metadata: object = {}): KubeObject {
	return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'chat-1', namespace: 'demo', ...metadata }, status };
}

test('problems of a pod as sentences; a pod that starts has none', () => {
	const waiting = (state: object, lastState: object = {}): string | undefined =>
		toFleetPod(object({ containerStatuses: [{ state: { waiting: state }, lastState }] })).problem;
	assert.equal(waiting({ reason: 'ContainerCreating' }), undefined);
	assert.equal(waiting({ reason: 'ImagePullBackOff', message: 'no such image' }), 'pod chat-1: ImagePullBackOff (no such image)');
	assert.equal(
		waiting({ reason: 'CrashLoopBackOff' }, { terminated: { reason: 'Error', exitCode: 3 } }),
		'pod chat-1: CrashLoopBackOff (Error, exit code 3)',
	);
	const unscheduled = object({ conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }] });
	assert.equal(toFleetPod(unscheduled).problem, 'pod chat-1 finds no node: 0/3 nodes');
});

test('what stands on a pod', () => {
	const seen = toFleetPod(
		object(
			{ podIP: '10.1.2.3', conditions: [{ type: 'Ready', status: 'True' }] },
			{
				labels: { 'pod-template-hash': 'abc' },
				deletionTimestamp: '2026-01-01T00:00:40Z',
				creationTimestamp: '2026-01-01T00:00:00Z',
				annotations: { 'socketfleet.dev/draining-since': '2026-01-01T00:00:30Z' },
			},
		),
	);
	assert.deepEqual([seen.ip, seen.ready, seen.terminating], ['10.1.2.3', true, true]);
	assert.equal((seen.drainingSinceMs ?? 0) - seen.createdMs, 30_000);
	assert.equal(seen.goneByMs - seen.createdMs, 40_000);
	assert.equal(toFleetPod(object({}, { annotations: { 'socketfleet.dev/draining-since': 'nonsense' } })).drainingSinceMs, undefined);
	assert.deepEqual([isOver(object({ phase: 'Failed' })), isOver(object({ phase: 'Running' }))], [true, false]);
});

test('readings from the text of a pod', () => {
	const text = `# HELP socketfleet_connections x
socketfleet_connections{transport="polling"} 3
socketfleet_connections{transport="websocket"} 40
socketfleet_workers{state="ready"} 2
socketfleet_workers{state="failed"} 1
socketfleet_redis_up 1
socketfleet_dominant_peer 1
socketfleet_forwarded_requests_total{target="pod",result="ok"} 5
socketfleet_forwarded_requests_total{target="sibling",result="ok"} 9
socketfleet_sessions_opened_total 12
socketfleet_rejected_connections_total{reason="no_worker"} 2
socketfleet_rejected_connections_total{reason="bad_head"} 70
socketfleet_handover_failures_total{reason="worker_gone"} 1
socketfleet_handover_failures_total{reason="peer_gone"} 70
socketfleet_recovery_total{result="recovered",reason="none"} 8
socketfleet_recovery_total{result="refused",reason="no_session"} 70
socketfleet_recovery_total{result="refused",reason="trimmed"} 4
socketfleet_publish_total{result="ok"} 20
socketfleet_publish_total{result="timeout"} 3
socketfleet_worker_restarts_total{reason="died"} 2
socketfleet_worker_restarts_total{reason="silent"} 1
socketfleet_worker_restarts_total{reason="requested"} 70
app_socketfleet_connections 1000
`;
	assert.deepEqual(parseReadings(text), {
		connections: 43,
		readyWorkers: 2,
		redisUp: true,
		dominantPeer: true,
		forwardedToPods: 5,
		openedSessions: 12,
		unservedConnections: 3,
		recoveredClients: 8,
		refusedClients: 4,
		published: 23,
		failedPublishes: 3,
		diedWorkers: 3,
	});
	assert.deepEqual(parseReadings('no metrics').redisUp, undefined);
	const body = JSON.stringify({
		ready: false,
		reasons: ['out of service on request of an operator; DELETE /drain takes it back', 'draining', 'Redis is full'],
	});
	assert.deepEqual(parseReasons(body), ['Redis is full']);
});
