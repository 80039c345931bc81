/** From a publish to the client: what goes into the stream, what comes out, how late, and who is recovered. */
import { REFUSED_RECOVERIES, STREAM_LAG_SECONDS } from '../alerts/thresholds.ts';
import { type Dashboard, maxBy, minBy, rateBy, sumBy } from './dashboard.ts';

const quantile = (share: number): string => `histogram_quantile(${share}, ${rateBy('le', 'socketfleet_publish_seconds_bucket')})`;

export const REDIS: Dashboard = {
	id: 'socketfleet-redis',
	title: 'Socketfleet / Redis and delivery',
	about: 'What goes into the stream, what comes out, how late, and who is recovered?',
	rows: [
		{
			title: 'Publishing',
			panels: [
				{
					title: 'Messages published by result',
					help: 'ok in time; late for that reason, and in other pods later; lost for other pods.',
					kind: 'stack',
					unit: 'cps',
					queries: [{ expr: rateBy('result', 'socketfleet_publish_total'), legend: '{{result}}' }],
					fault: true,
				},
				{
					title: 'Publish latency',
					help: 'Until Redis acknowledged. What Redis did not acknowledge is not in it.',
					kind: 'lines',
					unit: 's',
					queries: [
						{ expr: quantile(0.5), legend: 'median' },
						{ expr: quantile(0.99), legend: '99 %' },
					],
				},
				{
					title: 'Breaker open by pod',
					help: '1 while a worker has stopped publishing after failures in a row; it tries again by itself.',
					kind: 'lines',
					unit: 'none',
					queries: [{ expr: maxBy('pod', 'socketfleet_breaker_open'), legend: '{{pod}}' }],
					limit: { value: 1, bad: 'above' },
					fault: true,
				},
				{
					title: 'Redis errors',
					help: 'Of connections and commands, by what was asked and what was wrong.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('reason', 'socketfleet_redis_errors_total'), legend: '{{reason}}' }],
					fault: true,
				},
			],
		},
		{
			title: 'Reading',
			panels: [
				{
					title: 'Redis reachable by pod',
					help: '1 while every worker of the pod reaches Redis.',
					kind: 'lines',
					unit: 'none',
					queries: [{ expr: minBy('pod', 'socketfleet_redis_up'), legend: '{{pod}}' }],
					limit: { value: 1, bad: 'below' },
				},
				{
					title: 'Pods that each pod knows',
					help: 'All lines equal the number of pods. A pod that knows fewer answers "Session ID unknown" for sessions of the others.',
					kind: 'lines',
					unit: 'none',
					queries: [{ expr: minBy('pod', 'socketfleet_pods'), legend: '{{pod}}' }],
				},
				{
					title: 'Routed by pod',
					help: '1 while Redis pushes messages to the workers that have someone for them, 0 while workers read the whole stream: a pod of an older version is there, or was within a minute, or delivery is follow.',
					kind: 'lines',
					unit: 'none',
					queries: [{ expr: minBy('pod', 'socketfleet_routed'), legend: '{{pod}}' }],
				},
				{
					title: 'Stream lag by pod',
					help: 'Age of the newest entry when it was read, of the slowest worker. Includes the difference of the clocks of Redis and the node.',
					kind: 'lines',
					unit: 's',
					queries: [{ expr: maxBy('pod', 'socketfleet_stream_lag_seconds'), legend: '{{pod}}' }],
					limit: { value: STREAM_LAG_SECONDS, bad: 'above' },
				},
				{
					title: 'Stream entries read',
					help: 'What Redis pushed to the workers of the pod, since they have someone for it; all that is on the stream while they follow it.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('pod', 'socketfleet_stream_entries_read_total'), legend: '{{pod}}' }],
				},
				{
					title: 'Entries that nobody here needed',
					help: 'Received and not delivered. no_room, no_namespace: nobody here is in it any more. echo: the pod’s own, delivered already while Redis was slow. duplicate: written twice after a doubtful answer. failed: the adapter threw.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('reason', 'socketfleet_stream_entries_dropped_total'), legend: '{{reason}}' }],
					fault: true,
				},
				{
					title: 'Entries set aside',
					help: 'They can not be decoded: another application or another version writes to the same key.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('reason', 'socketfleet_quarantined_entries_total'), legend: '{{reason}}' }],
					fault: true,
				},
				{
					title: 'Gaps',
					help: 'Entries were missing: the stream was trimmed before they were read, or Redis lost them. Clients of that worker are asked to connect again.',
					kind: 'lines',
					unit: 'none',
					queries: [{ expr: sumBy('pod, reason', 'socketfleet_stream_gap_total'), legend: '{{pod}} {{reason}}' }],
					fault: true,
				},
			],
		},
		{
			title: 'Recovery',
			panels: [
				{
					title: 'Recovery by result and reason',
					help: 'Clients that came back and asked. no_session (away too long), kicked (by the application) and bad_offset are no fault of the fleet.',
					kind: 'stack',
					unit: 'cps',
					queries: [{ expr: rateBy('result, reason', 'socketfleet_recovery_total'), legend: '{{result}} {{reason}}' }],
				},
				{
					title: 'Clients that were refused',
					help: 'Share of all that asked.',
					kind: 'lines',
					unit: 'percentunit',
					queries: [
						{
							expr: `${rateBy('', 'socketfleet_recovery_total', ', result="refused"')} / clamp_min(${rateBy('', 'socketfleet_recovery_total')}, 0.001)`,
							legend: 'refused',
						},
					],
					limit: { value: REFUSED_RECOVERIES, bad: 'above' },
					fault: true,
				},
				{
					title: 'Retention',
					help: 'How far back the stream reaches, and how long a client may be away. Below the window clients that come back late are refused. No line until the stream was trimmed for the first time.',
					kind: 'lines',
					unit: 's',
					queries: [
						{ expr: 'min(socketfleet_recovery_window_seconds{$pods})', legend: 'recovery window' },
						{ expr: 'min(socketfleet_stream_retention_seconds{$pods})', legend: 'retention' },
					],
				},
			],
		},
	],
};
