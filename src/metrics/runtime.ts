/** Measures this process: event loop, heap, memory, garbage collection. Values are read when a snapshot is taken; no timer runs. */
import { monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks';
import type { Closable } from '../base/lifecycle.ts';
import type { Metrics } from './registry.ts';

const NANOSECONDS = 1e9;
const MILLISECONDS = 1e3;
const DELAY_RESOLUTION_MS = 20;
const UTILIZATION_WINDOW_MS = 10_000;

export function watchRuntime(metrics: Metrics): Closable {
	const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
	delay.enable();
	const collections = new PerformanceObserver((entries) => {
		for (const entry of entries.getEntries()) {
			metrics.inc('socketfleet_gc_seconds_total', {}, entry.duration / MILLISECONDS);
		}
	});
	collections.observe({ entryTypes: ['gc'] });

	const utilization = watchUtilization();
	metrics.onSnapshot(() => {
		metrics.set('socketfleet_event_loop_utilization_ratio', {}, utilization());
		metrics.set('socketfleet_event_loop_delay_seconds', {}, extraDelaySeconds(delay.percentile(99)));
		delay.reset();
		const { heapUsed, rss } = process.memoryUsage();
		metrics.set('socketfleet_heap_bytes', {}, heapUsed);
		metrics.set('socketfleet_rss_bytes', {}, rss);
	});
	return {
		close() {
			delay.disable();
			collections.disconnect();
		},
	};
}

/**
 * Busy share of the event loop since a mark that is at least 10 s old (or the start). Several readers, as Prometheus and an autoscaler, would
 * otherwise cut each other's time into pieces too short to say anything.
 */
export function watchUtilization(now = () => performance.now(), read = () => performance.eventLoopUtilization()): () => number {
	let older = { at: now(), total: read() };
	let newer = older;
	return () => {
		const current = { at: now(), total: read() };
		if (current.at - newer.at >= UTILIZATION_WINDOW_MS) {
			older = newer;
			newer = current;
		}
		const active = current.total.active - older.total.active;
		const idle = current.total.idle - older.total.idle;
		return active + idle > 0 ? active / (active + idle) : 0;
	};
}

/** The histogram holds the whole interval of its own timer; what exceeds it is the delay. */
function extraDelaySeconds(intervalNs: number): number {
	return Math.max(0, intervalNs / NANOSECONDS - DELAY_RESOLUTION_MS / MILLISECONDS);
}
