import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AFFINITY_ANNOTATION } from '../../../src/fleet/deployment.ts';
import { diagnose } from '../../../src/kubectl/doctor/checks.ts';
import type { Examination } from '../../../src/kubectl/doctor/examination.ts';
import { FINDINGS, type FindingId, severityOf } from '../../../src/kubectl/doctor/findings.ts';
import { renderJson, renderText } from '../../../src/kubectl/doctor/render.ts';
import { examination, examinedPod, NOW_MS, object, probe } from '../../support/examination.ts';
import { readings } from '../../support/fleet-fixtures.ts';
import { worker } from '../../support/pod-status.ts';

const well = examination();
const MIB = 1_048_576;

/** A fleet with one pod that has the fault, and one that is well. */
function withPod(faults: Parameters<typeof examinedPod>[1]): Examination {
	return examination({ pods: [examinedPod('pod1', faults), examinedPod('pod2')] });
}

function withSocketFleet(status: object, metadata: { readonly generation?: number; readonly creationTimestamp?: string } = {}) {
	const socketFleet = object('SocketFleet', 'chat', { metadata: { generation: 2, ...metadata }, status });
	return { fleet: { ...well.fleet, socketFleet } };
}

test('a fleet that is well: nothing, by chart and by operator, whoever looks', () => {
	assert.deepEqual(diagnose(well), []);
	assert.deepEqual(diagnose({ ...well, ...withSocketFleet({ observedGeneration: 2 }) }), []);
	assert.match(
		renderText(well, []),
		/^fleet chat in namespace demo, a Deployment: 2 of 2 pods looked at, https:\S+ tried\n\nNothing wrong/,
	);
});

/** What is so -> what is found and nothing else, and what was seen. */
const CASES: readonly (readonly [FindingId, RegExp, Examination])[] = [
	['operator-absent', /generation 2, the operator has acted on 1/, { ...well, ...withSocketFleet({ observedGeneration: 1 }) }],
	[
		'operator-absent',
		/it has no Deployment/,
		{ ...examination({ pods: [], probes: [], asked: false }), fleet: { ...withSocketFleet({}).fleet, deployment: undefined } },
	],
	[
		'not-applied',
		/Ingress chat exists/,
		{
			...well,
			...withSocketFleet({
				observedGeneration: 2,
				conditions: [{ type: 'Degraded', status: 'True', reason: 'NotApplied', message: 'Ingress chat exists.' }],
			}),
		},
	],
	[
		'pods-refused',
		/exceeded quota/,
		{
			...well,
			fleet: {
				...well.fleet,
				deployment: object('Deployment', 'chat', {
					status: { conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'exceeded quota' }] },
				}),
			},
		},
	],
	[
		'pod-fails',
		/^pod pod1: ImagePullBackOff/,
		withPod({ pod: { ready: false, readings: undefined, problem: 'pod pod1: ImagePullBackOff' }, status: 'silent' }),
	],
	['pod-not-ready', /no worker is ready/, withPod({ pod: { ready: false }, status: { ready: false, reasons: ['no worker is ready'] } })],
	['pod-silent', /answered GET \/status with 401/, withPod({ status: 'silent', problem: 'it answered GET /status with 401' })],
	['out-of-service', /^pod pod1/, withPod({ pod: { ready: false }, status: { ready: false, cordoned: true } })],
	[
		'worker-fails',
		/worker 1 failed 4 times/,
		withPod({ status: { workers: [worker(), worker({ slot: 1, state: 'failed', failures: 4 })] } }),
	],
	['out-of-memory', /more memory than its limit/, withPod({ state: { lastState: { terminated: { reason: 'OOMKilled' } } } })],
	['version-skew', /pod pod1: 0\.2\.0; pod pod2: 0\.1\.0/, withPod({ status: { version: '0.2.0' } })],
	['pods-apart', /^pod pod1: does not know pod2$/, withPod({ status: { pods: ['pod1'] } })],
	[
		'redis-away',
		/^pod pod1: nothing listens for Redis at cache:6379$/,
		withPod({ pod: { readings: readings(0, { redisUp: false }), reasons: ['nothing listens for Redis at cache:6379'] } }),
	],
	[
		'retention-short',
		/holds 7 s of messages/,
		withPod({ pod: { reasons: ['the stream holds 7 s of messages, less than the recovery window: raise streamMaxEntries'] } }),
	],
	['reported', /Redis at a:1 is out of memory/, withPod({ pod: { reasons: ['Redis at a:1 is out of memory'] } })],
	[
		'memory-short',
		/1 workers with heaps of 600 MiB in a memory limit of 512 MiB/,
		withPod({ status: { limits: { cpuQuota: 2, memoryBytes: 512 * MIB, workerHeapMb: 600, openFiles: 65_536 } } }),
	],
	[
		'memory-unlimited',
		/^pod pod1: no memory limit$/,
		withPod({ status: { limits: { cpuQuota: 2, memoryBytes: null, workerHeapMb: null, openFiles: 65_536 } } }),
	],
	[
		'cpu-unlimited',
		/1 workers$/,
		withPod({ status: { limits: { cpuQuota: null, memoryBytes: 512 * MIB, workerHeapMb: 100, openFiles: 65_536 } } }),
	],
	['cpu-short', /3 workers on 2 CPUs/, withPod({ status: { workers: [0, 1, 2].map((slot) => worker({ slot })) } })],
	[
		'open-files',
		/may have 1024 files and sockets open/,
		withPod({ status: { limits: { cpuQuota: 2, memoryBytes: 512 * MIB, workerHeapMb: 100, openFiles: 1024 } } }),
	],
	[
		'open-files',
		/fullest worker has 9000 connections/,
		withPod({
			status: {
				limits: { cpuQuota: 2, memoryBytes: 512 * MIB, workerHeapMb: 100, openFiles: 10_000 },
				workers: [worker({ sessions: 9000 })],
			},
		}),
	],
	[
		'grace-short',
		/grace period is 34 s, the drain may take 35 s \(15 s preStop, 20 s of the pod\)/,
		withPod({ spec: { terminationGracePeriodSeconds: 34 } }),
	],
	['drain-short', /ends after 20000 ms, and waits 15000 ms and closes over 10000 ms/, withPod({ config: { drainDelayMs: 15_000 } })],
	['no-drain-delay', /at once/, withPod({ container: { lifecycle: {} } })],
	['grace-long', /grace period is 900 s/, withPod({ spec: { terminationGracePeriodSeconds: 900 } })],
	['dominant-peer', /^pod pod1: one address/, withPod({ pod: { readings: readings(0, { dominantPeer: true }) } })],
	[
		'idle-timeout',
		/the timeout is 25 s, and a quiet connection says something each 25 s/,
		examination({ routes: [{ name: 'Ingress chat', origin: undefined, timeouts: [{ seconds: 25, source: 'the timeout' }] }] }),
	],
	['no-address', /has an address/, examination({ probes: [] })],
	['route-unreachable', /ENOTFOUND/, examination({ probes: [probe({ failure: 'getaddrinfo ENOTFOUND chat' })] })],
	['route-foreign', /sessions of xxxx, which/, examination({ probes: [probe({ withoutCookie: ['pod1', 'xxxx'] })] })],
	[
		'session-lost',
		/answered 400 Session ID unknown/,
		examination({ probes: [probe({ refusals: ['400 Session ID unknown', '400 Session ID unknown'] })] }),
	],
	['upgrade-refused', /the answer was 426/, examination({ probes: [probe({ upgrade: '426' })] })],
	[
		'affinity-missing',
		/2 requests of one client, which set no cookie, came to 2 pods/,
		examination({ probes: [probe({ cookies: [], withCookie: [] })] }),
	],
	['affinity-missing', /with the cookie socketfleet, came to 2 pods/, examination({ probes: [probe({ withCookie: ['pod1', 'pod2'] })] })],
	['not-looked-at', /ingresses is forbidden/, examination({ unread: ['ingresses is forbidden'] })],
];

for (const [id, seen, given] of CASES) {
	test(`found: ${id}, ${seen.source.slice(0, 40)}`, () => {
		const findings = diagnose(given);
		assert.deepEqual(
			findings.map((finding) => finding.id),
			[id],
			JSON.stringify(findings),
		);
		assert.match(findings[0]?.seen ?? '', seen);
		assert.notEqual(findings[0]?.fix, '');
	});
}

test('everything that can be found is found by a case above', () => {
	assert.deepEqual(
		Object.keys(FINDINGS).filter((id) => !CASES.some(([found]) => found === id)),
		[],
	);
});

const silentOf = (name: string) =>
	examinedPod(name, { status: 'silent', problem: 'connection refused', pod: { ready: false, readings: undefined } });

const withoutAffinity = object('Deployment', 'chat', {
	metadata: { annotations: { [AFFINITY_ANNOTATION]: 'none' } },
	status: { replicas: 2, updatedReplicas: 2 },
});

/** What looks like a fault and is none. */
const HARMLESS: readonly (readonly [string, Examination])[] = [
	['a pod that drains to be removed', withPod({ pod: { ready: false, drainingSinceMs: 1 }, status: { ready: false, cordoned: true } })],
	[
		'a pod that terminates and does not answer',
		examination({ pods: [{ ...silentOf('pod1'), pod: { ...silentOf('pod1').pod, terminating: true } }, examinedPod('pod2')] }),
	],
	['a pod that has just started', withPod({ pod: { ready: false, createdMs: NOW_MS - 5000 }, status: { ready: false, pods: ['pod1'] } })],
	[
		'two versions in a roll-out',
		{
			...withPod({ status: { version: '0.2.0' } }),
			fleet: { ...well.fleet, deployment: object('Deployment', 'chat', { status: { replicas: 2, updatedReplicas: 1 } }) },
		},
	],
	['a SocketFleet that is new', { ...well, ...withSocketFleet({}, { creationTimestamp: '2026-01-01T00:59:50Z' }) }],
	[
		'no affinity where none is wanted',
		{
			...examination({ probes: [probe({ cookies: [], withCookie: [] })] }),
			fleet: { ...well.fleet, deployment: withoutAffinity },
		},
	],
	[
		'pods without Redis, which know nobody',
		withPod({ status: { pods: ['pod1'] }, pod: { readings: readings(0, { redisUp: undefined }) } }),
	],
	[
		'affinity by address: no cookie, one pod',
		examination({ probes: [probe({ cookies: [], withCookie: [], withoutCookie: ['pod2', 'pod2'] })] }),
	],
	['requests that were not wanted', examination({ probes: [], asked: false })],
	['only WebSocket', examination({ probes: [probe({ cookies: [], withCookie: [], withoutCookie: [] })] })],
	[
		'a version that does not tell its limits of files',
		withPod({ status: { limits: { cpuQuota: 2, memoryBytes: 512 * MIB, workerHeapMb: 100, openFiles: null } } }),
	],
];

for (const [what, given] of HARMLESS) {
	test(`no fault: ${what}`, () => assert.deepEqual(diagnose(given), []));
}

test('a session of a pod that did not answer is not called foreign', () => {
	const given = examination({
		pods: [silentOf('pod1'), examinedPod('pod2')],
		probes: [probe({ withoutCookie: ['xxxx'], withCookie: [] })],
	});
	assert.deepEqual(
		diagnose(given).map(({ id }) => id),
		['pod-silent'],
	);
});

test('the worst first; one finding for all pods of which the same is to be said; as text and as JSON', () => {
	const noLimits = { limits: { cpuQuota: null, memoryBytes: null, workerHeapMb: null, openFiles: 65_536 }, workers: [worker()] };
	const given = examination({
		pods: ['pod1', 'pod2'].map((name) => examinedPod(name, { status: noLimits, spec: { terminationGracePeriodSeconds: 5 } })),
		unread: ['gateways is forbidden'],
	});
	const findings = diagnose(given);
	assert.deepEqual(findings.map(severityOf), ['error', 'warning', 'warning', 'note']);
	assert.match(findings[1]?.seen ?? '', /^pods pod1, pod2: no memory limit$/);
	const text = renderText(given, findings);
	assert.match(
		text,
		/\n\nERROR grace-short\n {2}pods pod1, pod2: .*\n {2}Fix: Raise terminationGracePeriodSeconds.*\n\nWARNING memory-unlimited\n/,
	);
	assert.match(text, /\n1 error, 2 warnings\.\n$/);
	const report = JSON.parse(renderJson(given, findings)) as { findings: { severity: string; id: string }[] };
	assert.deepEqual([report.findings.length, report.findings[0]?.severity, report.findings[0]?.id], [4, 'error', 'grace-short']);
});
