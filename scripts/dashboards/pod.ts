/** One pod or all of them, worker by worker: who is busy, who grows, who dies? */
import { EVENT_LOOP_UTILIZATION } from '../alerts/thresholds.ts';
import { type Dashboard, maxBy, rateBy, sumBy } from './dashboard.ts';

export const POD: Dashboard = {
	id: 'socketfleet-pod',
	title: 'Socketfleet / Pod and workers',
	about: 'Worker by worker: who is busy, who grows, who dies?',
	rows: [
		{
			title: 'Load',
			panels: [
				{
					title: 'Event loop utilisation',
					help: 'Share of the time in which a worker was busy. It is one thread: at 1 everything waits. primary does nothing for each message.',
					kind: 'lines',
					unit: 'percentunit',
					queries: [{ expr: maxBy('pod, worker', 'socketfleet_event_loop_utilization_ratio'), legend: '{{pod}} {{worker}}' }],
					limit: { value: EVENT_LOOP_UTILIZATION, bad: 'above' },
				},
				{
					title: 'Event loop delay',
					help: '99th percentile between two scrapes. Peaks with low utilisation are single long computations, or garbage collection.',
					kind: 'lines',
					unit: 's',
					queries: [{ expr: maxBy('pod, worker', 'socketfleet_event_loop_delay_seconds'), legend: '{{pod}} {{worker}}' }],
				},
				{
					title: 'Connections by pod',
					help: 'How the pods share the clients. Workers share those of a pod by a hash of the client’s address.',
					kind: 'lines',
					unit: 'short',
					queries: [{ expr: sumBy('pod', 'socketfleet_connections'), legend: '{{pod}}' }],
				},
				{
					title: 'Tunnels',
					help: 'WebSocket connections that pass through this pod to the worker that owns them.',
					kind: 'lines',
					unit: 'short',
					queries: [{ expr: sumBy('pod', 'socketfleet_tunnels'), legend: '{{pod}}' }],
				},
			],
		},
		{
			title: 'Memory',
			panels: [
				{
					title: 'Heap by worker',
					help: 'JavaScript objects. A saw-tooth is normal; a floor that rises for days is a leak. The limit is in /status.',
					kind: 'lines',
					unit: 'bytes',
					queries: [{ expr: maxBy('pod, worker', 'socketfleet_heap_bytes'), legend: '{{pod}} {{worker}}' }],
				},
				{
					title: 'Resident memory by pod',
					help: 'All processes of a pod: what counts against the container’s memory limit.',
					kind: 'lines',
					unit: 'bytes',
					queries: [{ expr: sumBy('pod', 'socketfleet_rss_bytes'), legend: '{{pod}}' }],
				},
				{
					title: 'Time in garbage collection',
					help: 'Seconds per second, all processes of a pod. Above a tenth for each worker the heap is too small.',
					kind: 'lines',
					unit: 'percentunit',
					queries: [{ expr: rateBy('pod', 'socketfleet_gc_seconds_total'), legend: '{{pod}}' }],
				},
				{
					title: 'Buffered bytes',
					help: 'What waits for clients that read slowly.',
					kind: 'lines',
					unit: 'bytes',
					queries: [{ expr: sumBy('pod', 'socketfleet_buffered_bytes'), legend: '{{pod}}' }],
				},
			],
		},
		{
			title: 'Health',
			panels: [
				{
					title: 'Workers by state',
					help: 'starting for long: an application that waits at start-up. failed: it died several times in a row.',
					kind: 'stack',
					unit: 'none',
					queries: [{ expr: sumBy('pod, state', 'socketfleet_workers'), legend: '{{pod}} {{state}}' }],
				},
				{
					title: 'Worker restarts',
					help: 'By reason. requested is SIGHUP; all others are faults.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('pod, reason', 'socketfleet_worker_restarts_total'), legend: '{{pod}} {{reason}}' }],
					fault: true,
				},
				{
					title: 'Clients cut off for not reading',
					help: 'More than maxBufferedBytes waited for each of them.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('pod', 'socketfleet_slow_consumers_total'), legend: '{{pod}}' }],
					fault: true,
				},
				{
					title: 'One peer holds most connections',
					help: '1: probably a proxy whose header is not read, so that one worker gets all. No data until a pod has taken 500 connections from other machines.',
					kind: 'lines',
					unit: 'none',
					queries: [{ expr: `${maxBy('pod', 'socketfleet_dominant_peer')} or ${maxBy('pod', 'socketfleet_info')} * 0`, legend: '{{pod}}' }],
					limit: { value: 1, bad: 'above' },
				},
			],
		},
		{
			title: 'Of the metrics themselves',
			panels: [
				{
					title: 'Workers that did not answer a scrape',
					help: 'Within a second. Their gauges are missing from that scrape; a worker that is blocked shows here first.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('pod', 'socketfleet_scrape_silent_workers_total'), legend: '{{pod}}' }],
					fault: true,
				},
				{
					title: 'Metrics of the application that were left out',
					help: 'Their name starts with socketfleet_, or workers do not agree on type or buckets.',
					kind: 'lines',
					unit: 'none',
					queries: [{ expr: maxBy('pod', 'socketfleet_app_metrics_dropped'), legend: '{{pod}}' }],
					fault: true,
				},
				{
					title: 'Collectors of the application that failed',
					help: 'One threw or took longer than half a second: that worker’s application metrics are missing from the scrape.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('pod', 'socketfleet_app_collect_failures_total'), legend: '{{pod}}' }],
					fault: true,
				},
			],
		},
	],
};
