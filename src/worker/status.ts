/** What a worker says of itself for `/status`. */
import type { WorkerStatus } from '../ipc/messages.ts';
import type { Metrics } from '../metrics/registry.ts';

const COUNTERS = [
	'socketfleet_sessions_opened_total',
	'socketfleet_events_in_total',
	'socketfleet_events_out_total',
	'socketfleet_publish_total',
] as const;

export async function readStatus(metrics: Metrics, own: Pick<WorkerStatus, 'sessions' | 'tunnels' | 'pods'>): Promise<WorkerStatus> {
	const memory = process.memoryUsage();
	const { active, idle } = performance.eventLoopUtilization();
	const [sessionsOpened = 0, eventsIn = 0, eventsOut = 0, published = 0] = await metrics.totals(COUNTERS);
	return {
		...own,
		pid: process.pid,
		rssBytes: memory.rss,
		heapBytes: memory.heapUsed,
		uptimeSeconds: process.uptime(),
		counters: { sessionsOpened, eventsIn, eventsOut, published },
		eventLoop: { activeMs: active, idleMs: idle },
	};
}
