/** Measures this process: event loop, heap, memory, garbage collection. Values are read when a snapshot is taken; no timer runs. */
import { monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks';
import type { Closable } from '../base/lifecycle.ts';
import type { Metrics } from './registry.ts';

const NANOSECONDS = 1e9;
const MILLISECONDS = 1e3;
const DELAY_RESOLUTION_MS = 20;

export function watchRuntime(metrics: Metrics): Closable {
	const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
	delay.enable();
	const collections = new PerformanceObserver((entries) => {
		for (const entry of entries.getEntries()) {
			metrics.inc('socketfleet_gc_seconds_total', {}, entry.duration / MILLISECONDS);
		}
	});
	collections.observe({ entryTypes: ['gc'] });

	let last = performance.eventLoopUtilization();
	metrics.onSnapshot(() => {
		const now = performance.eventLoopUtilization();
		metrics.set('socketfleet_event_loop_utilization_ratio', {}, performance.eventLoopUtilization(now, last).utilization);
		last = now;
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

/** The histogram holds the whole interval of its own timer; what exceeds it is the delay. */
function extraDelaySeconds(intervalNs: number): number {
	return Math.max(0, intervalNs / NANOSECONDS - DELAY_RESOLUTION_MS / MILLISECONDS);
}
