/** A fleet that is well, for tests of what the doctor finds in one that is not. */
import type { PodStatus } from '../../src/fleet/pod-status.ts';
import type { FleetPod } from '../../src/fleet/pods.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import type { Examination, ExaminedPod } from '../../src/kubectl/doctor/examination.ts';
import type { RouteProbe } from '../../src/kubectl/doctor/probe.ts';
import { pod, readings } from './fleet-fixtures.ts';
import { status } from './pod-status.ts';

export const NOW_MS = Date.parse('2026-01-01T01:00:00Z');

export function object(
	kind: string,
	name: string,
	more: { readonly metadata?: object; readonly [field: string]: unknown } = {},
): KubeObject {
	return { apiVersion: 'v1', kind, ...more, metadata: { name, namespace: 'demo', ...more.metadata } };
}

interface PodFaults {
	readonly pod?: Partial<FleetPod>;
	readonly status?: Partial<PodStatus> | 'silent';
	readonly config?: Readonly<Record<string, unknown>>;
	readonly spec?: object;
	readonly container?: object;
	readonly state?: object;
	readonly problem?: string;
}

/** Grace of 40 s for a preStop of 15 s and a drain of 20 s. */
export function examinedPod(name: string, faults: PodFaults = {}): ExaminedPod {
	const own = status({ pod: name, pods: ['pod1', 'pod2'], ...(faults.status === 'silent' ? {} : faults.status) });
	const container = { name: 'socketfleet', lifecycle: { preStop: { sleep: { seconds: 15 } } }, ...faults.container };
	return {
		object: object('Pod', name, {
			spec: { terminationGracePeriodSeconds: 40, containers: [{ name: 'sidecar' }, container], ...faults.spec },
			status: { containerStatuses: [{ name: 'socketfleet', ...faults.state }] },
		}),
		pod: pod(name, 0, { readings: readings(0), ...faults.pod }),
		status: faults.status === 'silent' ? undefined : { ...own, config: { ...own.config, ...faults.config } },
		problem: faults.problem,
	};
}

export function probe(more: Partial<RouteProbe> = {}): RouteProbe {
	return {
		url: 'https://chat.example.com/socket.io/',
		failure: undefined,
		cookies: ['socketfleet'],
		withoutCookie: ['pod1', 'pod2'],
		withCookie: ['pod1', 'pod1'],
		refusals: [],
		upgrade: 'done',
		...more,
	};
}

export function examination(more: Partial<Examination> = {}): Examination {
	const deployment = object('Deployment', 'chat', { status: { replicas: 2, updatedReplicas: 2 } });
	return {
		fleet: { name: 'chat', namespace: 'demo', deployment, socketFleet: undefined },
		pods: [examinedPod('pod1'), examinedPod('pod2')],
		routes: [{ name: 'Ingress chat', origin: 'https://chat.example.com', timeouts: [{ seconds: 3600, source: 'a timeout' }] }],
		probes: [probe()],
		asked: true,
		unread: [],
		nowMs: NOW_MS,
		...more,
	};
}
