/** Pods and fleets for the tests of the operator's pure parts. */

import type { FleetPod } from '../../src/fleet/pods.ts';
import type { PodReadings } from '../../src/fleet/readings.ts';
import { applyDefaults, type PartialSpec } from '../../src/operator/api/defaults.ts';
import type { SocketFleet } from '../../src/operator/api/fleet.ts';

export function readings(connections: number, more: Partial<PodReadings> = {}): PodReadings {
	return {
		connections,
		readyWorkers: 2,
		redisUp: true,
		dominantPeer: false,
		forwardedToPods: 0,
		openedSessions: 0,
		unservedConnections: 0,
		recoveredClients: 0,
		refusedClients: 0,
		published: 0,
		failedPublishes: 0,
		diedWorkers: 0,
		...more,
	};
}

/** Ready, with so many connections, or silent: it does not answer. */
export function pod(name: string, connections: number | 'silent' = 0, more: Partial<FleetPod> = {}): FleetPod {
	return {
		name,
		namespace: 'demo',
		uid: `uid-${name}`,
		ip: '10.0.0.1',
		ready: true,
		readyChangedMs: 0,
		templateHash: 'new',
		terminating: false,
		goneByMs: 0,
		createdMs: 0,
		drainingSinceMs: undefined,
		drainUntilMs: (more.drainingSinceMs ?? 0) + 30_000,
		problem: undefined,
		reasons: [],
		readings: connections === 'silent' ? undefined : readings(connections),
		...more,
	};
}

export function fleet(spec: PartialSpec = {}, more: Partial<SocketFleet> = {}): SocketFleet {
	return {
		apiVersion: 'socketfleet.dev/v1alpha1',
		kind: 'SocketFleet',
		metadata: { name: 'chat', namespace: 'demo', uid: 'uid-chat', generation: 1 },
		...more,
		spec: applyDefaults(spec),
	};
}
