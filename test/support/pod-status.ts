/** What a pod says of itself, for tests of what reads it. */
import type { PodStatus, WorkerRow } from '../../src/fleet/pod-status.ts';

const MIB = 1_048_576;

export function worker(more: Partial<WorkerRow> = {}): WorkerRow {
	return {
		slot: 0,
		state: 'ready',
		failures: 0,
		pid: 10,
		sessions: 3,
		rssBytes: 64 * MIB,
		heapBytes: 32 * MIB,
		uptimeSeconds: 60,
		counters: { sessionsOpened: 0, eventsIn: 0, eventsOut: 0, published: 0 },
		eventLoop: { activeMs: 0, idleMs: 0 },
		...more,
	};
}

export function status(more: Partial<PodStatus> = {}): PodStatus {
	return {
		version: '0.1.0',
		pod: 'pod1',
		fleet: 'chat',
		pods: ['pod1', 'pod2'],
		ready: true,
		draining: false,
		cordoned: false,
		reasons: [],
		connections: 0,
		tunnels: 0,
		limits: { cpuQuota: 2, memoryBytes: 1024 * MIB, workerHeapMb: 324, openFiles: 1_048_576 },
		workers: [worker()],
		config: {
			transports: ['polling', 'websocket'],
			path: '/socket.io/',
			workers: 'auto',
			pingIntervalMs: 25_000,
			recoveryWindowMs: 120_000,
			drainDelayMs: 0,
			drainSpreadMs: 10_000,
			drainTimeoutMs: 20_000,
		},
		...more,
	};
}
