/** Every alert: few, and by what clients notice rather than by what might cause it. Tests give each one input that fires it and input that must not. */
import { UNSERVED_REASONS } from '../../src/fleet/readings.ts';
import { EXPECTED_REFUSALS } from '../../src/metrics/refusals.ts';
import { type Alert, moreThan, rate, UNLESS_DRAINING } from './alert.ts';
import {
	ERROR_BUDGET,
	EVENT_LOOP_UTILIZATION,
	FAST_BURN,
	FORWARDS_PER_SESSION,
	REFUSED_RECOVERIES,
	REOPENED_PER_MINUTE,
	RESTARTS,
	SLOW_BURN,
	SLOW_CONSUMERS,
	STREAM_LAG_SECONDS,
	UNKNOWN_PER_SESSION,
} from './thresholds.ts';

const BURN_TIMES = { fastLong: '1h', fastShort: '5m', slowLong: '6h', slowShort: '30m' };

/** Below that a share says nothing: one failure at night is no incident. */
const MIN_FAILURES_PER_SECOND = 0.01;

/** Without those that are the client's own doing, or meant: a session that ran out, a disconnect by the application, a made-up offset. */
const UNEXPECTED_REFUSALS = `, result="refused", reason!~"${EXPECTED_REFUSALS.join('|')}"`;

const lost = (time: string): string => rate('socketfleet_publish_total', time, ', result!="ok"');
const published = (time: string): string => rate('socketfleet_publish_total', time);

/** Without those that a client's nonsense or a scanner explains. */
const unserved = (time: string): string =>
	`(${rate('socketfleet_rejected_connections_total', time, `, reason=~"${UNSERVED_REASONS.join('|')}"`)}
  + ${rate('socketfleet_handover_failures_total', time, ', reason!="peer_gone"')})`;
/** For each session opened: for small shares the same as for each attempt. */
const opened = (time: string): string => rate('socketfleet_sessions_opened_total', time);

export const ALERTS: readonly Alert[] = [
	{
		key: 'notScraped',
		severity: 'critical',
		summary: 'No pod of the fleet answers Prometheus.',
		expr: 'absent(socketfleet_workers{$pods, state="ready"})',
		for: '5m',
	},
	{
		key: 'podWithoutWorkers',
		severity: 'critical',
		summary: 'Pod $pod has no ready worker.',
		expr: `socketfleet_workers{$pods, state="ready"} == 0\n${UNLESS_DRAINING}`,
		for: '3m',
	},
	{
		key: 'workersCrash',
		severity: 'warning',
		summary: 'Workers of pod $pod die again and again.',
		expr: `sum by (namespace, pod) (increase(socketfleet_worker_restarts_total{$pods, reason!="requested"}[$window])) > ${RESTARTS}`,
		for: '1m',
		times: { window: '15m' },
	},
	{
		key: 'connectFailures',
		severity: 'critical',
		summary: 'Clients do not get in: connections are refused or lost before they reach a worker.',
		expr: burnRate(unserved, opened),
		for: '2m',
		times: BURN_TIMES,
	},
	{
		key: 'deliveryFailures',
		severity: 'critical',
		summary: 'Messages are not written to the stream and reach only the clients of the pod that sent them.',
		expr: burnRate(lost, published),
		for: '2m',
		times: BURN_TIMES,
		needsRedis: true,
	},
	{
		key: 'deliveryLate',
		severity: 'warning',
		summary: 'Pod $pod reads messages from the stream seconds after they were sent.',
		// The lag is that of the last entry read; a stream that is silent is not late.
		expr: `max by (namespace, pod) (socketfleet_stream_lag_seconds{$pods}) > ${STREAM_LAG_SECONDS}
and sum by (namespace, pod) (rate(socketfleet_stream_entries_read_total{$pods}[$window])) > 0
${UNLESS_DRAINING}`,
		for: '2m',
		times: { window: '2m' },
		needsRedis: true,
	},
	{
		key: 'redisAway',
		severity: 'critical',
		summary: 'A pod of the fleet has lost Redis; messages reach clients of their own pod only.',
		expr: `min by (namespace) (socketfleet_redis_up{$pods} ${UNLESS_DRAINING}) == 0`,
		for: '1m',
		needsRedis: true,
	},
	{
		key: 'recoveryRefused',
		severity: 'warning',
		summary: 'Clients that come back in time are not recovered and have to load their state again.',
		expr: `${rate('socketfleet_recovery_total', 'window', UNEXPECTED_REFUSALS)}
  / ${rate('socketfleet_recovery_total', 'window')} > ${REFUSED_RECOVERIES}
and ${moreThan(10, 'socketfleet_recovery_total', 'window', UNEXPECTED_REFUSALS)}`,
		for: '5m',
		times: { window: '15m' },
		needsRedis: true,
	},
	{
		key: 'retentionShort',
		severity: 'warning',
		summary: 'The stream reaches back less far than the recovery window: clients that come back late in it are refused.',
		// A stream to which nobody writes may hold a single entry: nothing is missing from it.
		expr: `min by (namespace) (socketfleet_stream_retention_seconds{$pods}) < min by (namespace) (socketfleet_recovery_window_seconds{$pods})
and ${rate('socketfleet_stream_entries_read_total', 'window')} > 0`,
		for: '10m',
		times: { window: '2m' },
		needsRedis: true,
	},
	{
		key: 'affinityBroken',
		severity: 'warning',
		summary: 'Most requests arrive at another pod than their session: they are served, at the price of a second hop.',
		expr: `${rate('socketfleet_forwarded_requests_total', 'window', ', target="pod"')}
  > ${FORWARDS_PER_SESSION} * ${rate('socketfleet_sessions_opened_total', 'window')}
and ${rate('socketfleet_forwarded_requests_total', 'window', ', target="pod"')} > 1`,
		for: '15m',
		times: { window: '10m' },
		needsRedis: true,
	},
	{
		key: 'unknownSessions',
		severity: 'warning',
		summary: 'Clients are told that their session is unknown: its owner ended without a drain, or pods do not know each other.',
		expr: `${rate('socketfleet_unknown_sessions_total', 'window', ', reason!~"malformed|expired"')}
  > ${UNKNOWN_PER_SESSION} * ${rate('socketfleet_sessions_opened_total', 'window')}
and ${moreThan(10, 'socketfleet_unknown_sessions_total', 'window', ', reason!~"malformed|expired"')}`,
		for: '10m',
		times: { window: '10m' },
	},
	{
		key: 'reconnectStorm',
		severity: 'warning',
		summary: 'Clients reconnect all the time: connections hardly live for a minute.',
		expr: `60 * ${rate('socketfleet_sessions_opened_total', 'window')}
  > ${REOPENED_PER_MINUTE} * sum by (namespace) (socketfleet_connections{$pods})
and ${rate('socketfleet_sessions_opened_total', 'window')} > 1`,
		for: '5m',
		times: { window: '5m' },
	},
	{
		key: 'slowConsumers',
		severity: 'warning',
		summary: 'Clients are cut off because they do not read what they are sent.',
		expr: `sum by (namespace) (increase(socketfleet_slow_consumers_total{$pods}[$window]))
  > ${SLOW_CONSUMERS} * sum by (namespace) (socketfleet_connections{$pods})
and ${moreThan(10, 'socketfleet_slow_consumers_total', 'window')}`,
		for: '1m',
		times: { window: '15m' },
		needsRedis: true,
	},
	{
		key: 'eventLoopSaturated',
		severity: 'warning',
		summary: 'A worker of pod $pod has no time left: messages and pings wait.',
		expr: `max by (namespace, pod) (socketfleet_event_loop_utilization_ratio{$pods}) > ${EVENT_LOOP_UTILIZATION}\n${UNLESS_DRAINING}`,
		for: '5m',
	},
	{
		key: 'drainHangs',
		severity: 'warning',
		summary: 'Pod $pod drains and does not end.',
		expr: 'max by (namespace, pod) (socketfleet_drain_state{$pods}) > 0',
		for: '15m',
	},
];

/** Multi-window, multi-burn-rate: the long window says that it matters, the short one that it still goes on. */
function burnRate(bad: (time: string) => string, all: (time: string) => string): string {
	const burns = (long: string, short: string, burn: number): string => {
		const share = Number((burn * ERROR_BUDGET).toPrecision(3));
		return `${bad(long)} > ${share} * ${all(long)}
  and ${bad(short)} > ${share} * ${all(short)}
  and ${bad(short)} > ${MIN_FAILURES_PER_SECOND}`;
	};
	return `(${burns('fastLong', 'fastShort', FAST_BURN)})\nor\n(${burns('slowLong', 'slowShort', SLOW_BURN)})`;
}
