/** What a worker says of itself for `/status`. */
import type { WorkerStatus } from '../ipc/messages.ts';
import { readLoadCounters } from '../metrics/load.ts';
import type { Metrics } from '../metrics/registry.ts';

export async function readStatus(metrics: Metrics, own: Pick<WorkerStatus, 'sessions' | 'tunnels' | 'peers'>): Promise<WorkerStatus> {
	const memory = process.memoryUsage();
	const { active, idle } = performance.eventLoopUtilization();
	return {
		...own,
		pid: process.pid,
		rssBytes: memory.rss,
		heapBytes: memory.heapUsed,
		uptimeSeconds: process.uptime(),
		counters: await readLoadCounters(metrics),
		eventLoop: { activeMs: active, idleMs: idle },
	};
}
