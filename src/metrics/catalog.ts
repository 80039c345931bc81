/** Every metric of Socketfleet, one row each. `docs/reference/metrics.md`, the registry's types and the merge of workers are derived from it. */
import { REFUSAL_REASONS } from './refusals.ts';

/**
 * The label's values come from outside (a namespace, an HTTP status): each process keeps the first 100 and calls the rest `other`.
 * All other labels list their values. No label is named `namespace` or `pod`: those are Kubernetes' own on every target.
 */
export const OPEN = 'open';
export const MAX_OPEN_VALUES = 100;

export interface BaseRow {
	/** One sentence; base units. */
	readonly help: string;
	readonly labels: Readonly<Record<string, typeof OPEN | readonly string[]>>;
}
/** Counters and histograms of all workers are added up, those of workers that are gone too. */
interface CounterRow extends BaseRow {
	readonly type: 'counter';
}
interface HistogramRow extends BaseRow {
	readonly type: 'histogram';
	readonly buckets: readonly number[];
}
/** How the values of the workers become one; `per-worker` keeps them apart by a `worker` label (the primary's is `primary`). */
export type GaugeMerge = 'sum' | 'max' | 'min' | 'per-worker';
interface GaugeRow extends BaseRow {
	readonly type: 'gauge';
	readonly merge: GaugeMerge;
}
export type MetricRow = CounterRow | HistogramRow | GaugeRow;

export const CATALOG = {
	// Pod
	socketfleet_info: {
		type: 'gauge',
		merge: 'max',
		help: 'Always 1; the labels tell the version and the name of the pod in session ids.',
		labels: { version: OPEN, pod_id: OPEN },
	},
	socketfleet_workers: {
		type: 'gauge',
		merge: 'sum',
		help: 'Workers by state.',
		labels: { state: ['ready', 'starting', 'failed'] },
	},
	socketfleet_worker_restarts_total: {
		type: 'counter',
		help: 'Workers that were started again in their slot.',
		labels: { reason: ['died', 'silent', 'start_failed', 'requested'] },
	},
	socketfleet_scrape_silent_workers_total: {
		type: 'counter',
		help: 'Workers that did not answer a scrape in time; their gauges were left out of it.',
		labels: {},
	},
	socketfleet_app_metrics_dropped: {
		type: 'gauge',
		merge: 'sum',
		help: "Metrics of the application left out of this scrape: reserved name, or workers that don't agree on type or buckets.",
		labels: {},
	},
	socketfleet_app_collect_failures_total: {
		type: 'counter',
		help: "Snapshots without the application's metrics, because a collector of it threw or took too long.",
		labels: {},
	},
	socketfleet_drain_state: {
		type: 'gauge',
		merge: 'max',
		help: '0 serving, 1 waiting for load balancers, 2 closing connections, 3 terminating what hangs.',
		labels: {},
	},
	socketfleet_drained_connections_total: {
		type: 'counter',
		help: 'Connections ended by a drain.',
		labels: { how: ['closed', 'terminated'] },
	},
	socketfleet_shed_connections_total: {
		type: 'counter',
		help: 'Connections closed on request of an operator, so that their clients come back elsewhere.',
		labels: { reason: ['drain', 'rebalance'] },
	},

	// Connections
	socketfleet_connections: {
		type: 'gauge',
		merge: 'sum',
		help: 'Open Engine.IO connections.',
		labels: { transport: ['polling', 'websocket', 'webtransport'] },
	},
	socketfleet_sessions_opened_total: { type: 'counter', help: 'Engine.IO sessions opened.', labels: {} },
	socketfleet_sessions_closed_total: { type: 'counter', help: 'Engine.IO sessions closed, by reason.', labels: { reason: OPEN } },
	socketfleet_handovers_total: {
		type: 'counter',
		help: 'Connections handed over by the primary to a worker.',
		labels: { source: ['socket', 'proxy-protocol', 'x-forwarded-for', 'internal'] },
	},
	socketfleet_handover_failures_total: {
		type: 'counter',
		help: 'Connections lost on the way to a worker.',
		labels: { reason: ['worker_gone', 'send_failed', 'peer_gone'] },
	},
	socketfleet_rejected_connections_total: {
		type: 'counter',
		help: 'Connections refused before they reached a worker or the application.',
		labels: {
			reason: ['head_timeout', 'head_too_large', 'bad_head', 'bad_proxy_header', 'no_worker', 'too_many_pending', 'bad_preamble'],
		},
	},
	socketfleet_dominant_peer: {
		type: 'gauge',
		merge: 'max',
		help: '1 when one peer holds most connections: probably a proxy whose header is not read.',
		labels: {},
	},
	socketfleet_forwarded_requests_total: {
		type: 'counter',
		help: 'Requests and upgrades of a session that arrived elsewhere and went to its owner.',
		labels: { target: ['sibling', 'pod'], result: ['ok', 'error', 'timeout', 'unreachable', 'refused'] },
	},
	socketfleet_unknown_sessions_total: {
		type: 'counter',
		help: 'Requests with a session id that no worker owns, answered 400.',
		labels: { reason: ['malformed', 'owner_gone', 'unknown_pod', 'expired', 'forwarded'] },
	},
	socketfleet_tunnels: { type: 'gauge', merge: 'sum', help: 'Open upgraded connections forwarded to another worker.', labels: {} },

	// Messages
	socketfleet_events_in_total: { type: 'counter', help: 'Events received from clients.', labels: { nsp: OPEN } },
	socketfleet_events_out_total: {
		type: 'counter',
		help: 'Events sent to clients, one for each receiving client.',
		labels: { nsp: OPEN },
	},
	socketfleet_buffered_bytes: { type: 'gauge', merge: 'sum', help: 'Bytes that wait for slow clients.', labels: {} },
	socketfleet_slow_consumers_total: {
		type: 'counter',
		help: 'Clients cut off because too many bytes waited for them.',
		labels: {},
	},
	socketfleet_recovery_total: {
		type: 'counter',
		help: 'Clients that came back and asked for recovery, by outcome; the reason of a success is none.',
		labels: { result: ['recovered', 'refused'], reason: ['none', ...REFUSAL_REASONS] },
	},

	// Redis and the stream
	socketfleet_redis_up: { type: 'gauge', merge: 'min', help: '1 while every worker reaches Redis.', labels: {} },
	socketfleet_redis_errors_total: { type: 'counter', help: 'Errors of connections and commands to Redis.', labels: { reason: OPEN } },
	socketfleet_pods: { type: 'gauge', merge: 'min', help: 'Pods of the fleet that the worker knows, its own included.', labels: {} },
	socketfleet_routed: {
		type: 'gauge',
		merge: 'min',
		help: '1 while Redis pushes messages to the workers that have someone for them, 0 while workers read the whole stream.',
		labels: {},
	},
	socketfleet_publish_total: {
		type: 'counter',
		help: 'Messages for the stream: `ok` in time; late for that reason, delivered in this pod first; `lost` for other pods, after being late.',
		labels: { result: ['ok', 'timeout', 'error', 'breaker_open', 'lost'] },
	},
	socketfleet_publish_seconds: {
		type: 'histogram',
		help: 'Time until Redis acknowledged a batch of published messages, from the first of them.',
		labels: {},
		buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
	},
	socketfleet_breaker_open: { type: 'gauge', merge: 'max', help: '1 while a worker has stopped publishing to Redis.', labels: {} },
	socketfleet_stream_lag_seconds: {
		type: 'gauge',
		merge: 'max',
		help: 'Age of the newest stream entry when it was read; the slowest worker.',
		labels: {},
	},
	socketfleet_stream_gap_total: {
		type: 'counter',
		help: 'Times that a reader found entries missing from the stream.',
		labels: { reason: OPEN },
	},
	socketfleet_stream_retention_seconds: {
		type: 'gauge',
		merge: 'min',
		help: 'Age of the oldest entry in the stream; below the recovery window, recovery is refused.',
		labels: {},
	},
	socketfleet_recovery_window_seconds: {
		type: 'gauge',
		merge: 'min',
		help: 'How long a client may be away and still be recovered, as configured.',
		labels: {},
	},
	socketfleet_stream_entries_read_total: { type: 'counter', help: 'Stream entries read.', labels: {} },
	socketfleet_stream_entries_dropped_total: {
		type: 'counter',
		help: 'Stream entries that were read and not delivered here; without Redis, messages of sibling workers.',
		labels: { reason: OPEN },
	},
	socketfleet_quarantined_entries_total: {
		type: 'counter',
		help: 'Stream entries set aside because they can not be decoded; without Redis, messages of sibling workers.',
		labels: { reason: OPEN },
	},

	// Emit API
	socketfleet_emit_requests_total: {
		type: 'counter',
		help: 'Requests to the HTTP API that emits.',
		labels: { route: OPEN, status: OPEN },
	},
	socketfleet_emit_messages_total: { type: 'counter', help: 'Messages sent through the HTTP API.', labels: { result: OPEN } },

	// Processes
	socketfleet_event_loop_delay_seconds: {
		type: 'gauge',
		merge: 'per-worker',
		help: '99th percentile of the event loop delay since the last scrape.',
		labels: {},
	},
	socketfleet_event_loop_utilization_ratio: {
		type: 'gauge',
		merge: 'per-worker',
		help: 'Share of the last 10 seconds or more in which the event loop was busy, 0 to 1, however often it is read.',
		labels: {},
	},
	socketfleet_heap_bytes: { type: 'gauge', merge: 'per-worker', help: 'JavaScript heap in use.', labels: {} },
	socketfleet_rss_bytes: { type: 'gauge', merge: 'per-worker', help: 'Resident memory.', labels: {} },
	socketfleet_gc_seconds_total: { type: 'counter', help: 'Time spent collecting garbage.', labels: {} },

	// Operator: a process of its own
	socketfleet_operator_leader: { type: 'gauge', merge: 'max', help: '1 while this operator leads.', labels: {} },
	socketfleet_operator_fleets: { type: 'gauge', merge: 'max', help: 'SocketFleets that the operator knows.', labels: {} },
	socketfleet_operator_queue_depth: { type: 'gauge', merge: 'max', help: 'Fleets that wait to be looked at.', labels: {} },
	socketfleet_operator_reconciles_total: {
		type: 'counter',
		help: 'Looks at a fleet, by outcome.',
		labels: { result: ['done', 'requeue', 'failed'] },
	},
	socketfleet_operator_reconcile_seconds: {
		type: 'histogram',
		help: 'Time of one look at a fleet.',
		labels: {},
		buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
	},
	socketfleet_operator_api_requests_total: {
		type: 'counter',
		help: 'Requests to the Kubernetes API.',
		labels: { verb: OPEN, result: ['ok', 'error'] },
	},
	socketfleet_operator_watch_restarts_total: {
		type: 'counter',
		help: 'Lists and watches that failed and were begun again.',
		labels: { resource: OPEN, reason: OPEN },
	},
	socketfleet_operator_watch_age_seconds: {
		type: 'gauge',
		merge: 'max',
		help: 'Since the API server last said anything about a resource, bookmarks included.',
		labels: { resource: OPEN },
	},
	socketfleet_operator_custom_metrics_requests_total: {
		type: 'counter',
		help: 'Requests to the custom metrics API that the operator serves, by HTTP status.',
		labels: { status: OPEN },
	},
	socketfleet_operator_drains_total: {
		type: 'counter',
		help: 'Pods that were drained before they went, for a scale-down or a roll-out; overdue ones still had connections.',
		labels: { result: ['drained', 'overdue'] },
	},
	socketfleet_operator_rebalance_rounds_total: { type: 'counter', help: 'Rounds of a rebalance that closed connections.', labels: {} },
} as const satisfies Readonly<Record<string, MetricRow>>;

/** Rows of the operator's process start so, and no others: pods do not expose them. */
export const OPERATOR_PREFIX = 'socketfleet_operator_';

type Catalog = typeof CATALOG;
export type MetricName = keyof Catalog;
export type CounterName = NameOf<'counter'>;
export type GaugeName = NameOf<'gauge'>;
export type HistogramName = NameOf<'histogram'>;
type NameOf<T extends MetricRow['type']> = { [N in MetricName]: Catalog[N]['type'] extends T ? N : never }[MetricName];

type LabelTable<N extends MetricName> = Catalog[N]['labels'];
/** `{ target: 'sibling' | 'pod', ... }` for a metric that has labels, `{}` for one that has none. */
export type LabelsOf<N extends MetricName> = [keyof LabelTable<N>] extends [never]
	? Readonly<Record<string, never>>
	: { readonly [L in keyof LabelTable<N>]: LabelTable<N>[L] extends readonly (infer V)[] ? V : string };

export const METRIC_NAMES = Object.keys(CATALOG) as MetricName[];

export function rowOf(name: MetricName): MetricRow {
	return CATALOG[name];
}

/** Is it one of ours? Undefined for a metric of the application. */
export function findRow(name: string): MetricRow | undefined {
	return Object.hasOwn(CATALOG, name) ? rowOf(name as MetricName) : undefined;
}
