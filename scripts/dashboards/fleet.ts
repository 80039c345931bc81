/** The first dashboard to open: is the fleet well, how busy is it, who does not get in? */
import { ERROR_BUDGET, FORWARDS_PER_SESSION } from '../alerts/thresholds.ts';
import { type Dashboard, rateBy, sumBy } from './dashboard.ts';

const OUR_REFUSALS = ', reason=~"no_worker|too_many_pending|bad_proxy_header"';

export const FLEET: Dashboard = {
	id: 'socketfleet-fleet',
	title: 'Socketfleet / Fleet',
	about: 'Is the fleet well, how busy is it, and who does not get in?',
	rows: [
		{
			title: 'Now',
			panels: [
				{
					title: 'Connections',
					help: 'Open Engine.IO connections of all pods: the number to size by.',
					kind: 'stat',
					unit: 'short',
					queries: [{ expr: sumBy('', 'socketfleet_connections'), legend: 'connections' }],
				},
				{
					title: 'Pods that serve',
					help: 'Pods with at least one ready worker.',
					kind: 'stat',
					unit: 'none',
					queries: [{ expr: 'count(socketfleet_workers{$pods, state="ready"} > 0)', legend: 'pods' }],
				},
				{
					title: 'Ready workers',
					help: 'Workers that take connections. Fewer than pods times workers: some start, or have failed.',
					kind: 'stat',
					unit: 'none',
					queries: [{ expr: sumBy('', 'socketfleet_workers', ', state="ready"'), legend: 'workers' }],
				},
				{
					title: 'Connections that got in',
					help: 'Of the attempts to connect, the share that reached a worker. Without those that the client itself spoiled.',
					kind: 'stat',
					unit: 'percentunit',
					queries: [
						{
							expr: `1 - (${rateBy('', 'socketfleet_rejected_connections_total', OUR_REFUSALS)} + ${rateBy('', 'socketfleet_handover_failures_total', ', reason!="peer_gone"')}) / clamp_min(${rateBy('', 'socketfleet_sessions_opened_total')}, 0.001)`,
							legend: 'got in',
						},
					],
					limit: { value: 1 - ERROR_BUDGET, bad: 'below' },
				},
				{
					title: 'Messages published',
					help: 'Of the messages for more than one pod, the share that Redis took. The others reached the clients of their own pod.',
					kind: 'stat',
					unit: 'percentunit',
					queries: [
						{
							expr: `1 - ${rateBy('', 'socketfleet_publish_total', ', result!="ok"')} / clamp_min(${rateBy('', 'socketfleet_publish_total')}, 0.001)`,
							legend: 'published',
						},
					],
					limit: { value: 1 - ERROR_BUDGET, bad: 'below' },
				},
				{
					title: 'Redis reachable',
					help: '1 while every worker of every pod reaches Redis. No data: a pod without Redis.',
					kind: 'stat',
					unit: 'bool_yes_no',
					queries: [{ expr: 'min(socketfleet_redis_up{$pods})', legend: 'Redis' }],
					limit: { value: 1, bad: 'below' },
				},
			],
		},
		{
			title: 'Connections',
			panels: [
				{
					title: 'Connections by transport',
					help: 'Polling that stays: the upgrade to WebSocket is blocked by a proxy, or the client does not ask for it.',
					kind: 'stack',
					unit: 'short',
					queries: [{ expr: sumBy('transport', 'socketfleet_connections'), legend: '{{transport}}' }],
				},
				{
					title: 'Connections by pod',
					help: 'Uneven after a scale-up: connections stay where they are until they end, or the operator moves some.',
					kind: 'lines',
					unit: 'short',
					queries: [{ expr: sumBy('pod', 'socketfleet_connections'), legend: '{{pod}}' }],
				},
				{
					title: 'Sessions opened and closed',
					help: 'Opened, and closed by the reason that Engine.IO gives. A peak of both together is a wave of reconnects.',
					kind: 'lines',
					unit: 'cps',
					queries: [
						{ expr: rateBy('', 'socketfleet_sessions_opened_total'), legend: 'opened' },
						{ expr: rateBy('reason', 'socketfleet_sessions_closed_total'), legend: 'closed: {{reason}}' },
					],
				},
				{
					title: 'Connections refused or lost',
					help: 'Before a worker or the application saw them. bad_head, head_timeout, head_too_large and peer_gone are the client’s doing.',
					kind: 'lines',
					unit: 'cps',
					queries: [
						{ expr: rateBy('reason', 'socketfleet_rejected_connections_total'), legend: 'refused: {{reason}}' },
						{ expr: rateBy('reason', 'socketfleet_handover_failures_total'), legend: 'lost: {{reason}}' },
					],
					fault: true,
				},
			],
		},
		{
			title: 'Routing',
			panels: [
				{
					title: 'Connections handed to workers',
					help: 'By how the client’s address was found. internal: requests forwarded from another pod.',
					kind: 'stack',
					unit: 'cps',
					queries: [{ expr: rateBy('source', 'socketfleet_handovers_total'), legend: '{{source}}' }],
				},
				{
					title: 'Forwarded requests',
					help: 'Requests that arrived at another worker (sibling) or pod than their session, and went to its owner. All but ok: the owner was not reached.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('target, result', 'socketfleet_forwarded_requests_total'), legend: '{{target}} {{result}}' }],
				},
				{
					title: 'Forwards to other pods for each session',
					help: 'Near 0 with working affinity at the ingress, two and more without. It costs a hop, not correctness.',
					kind: 'lines',
					unit: 'none',
					queries: [
						{
							expr: `${rateBy('', 'socketfleet_forwarded_requests_total', ', target="pod"')} / clamp_min(${rateBy('', 'socketfleet_sessions_opened_total')}, 0.001)`,
							legend: 'forwards',
						},
					],
					limit: { value: FORWARDS_PER_SESSION, bad: 'above' },
				},
				{
					title: 'Unknown sessions',
					help: 'Requests answered "Session ID unknown". expired and malformed are no fault of the fleet; the others mean owners that ended without a drain, or pods that do not know each other.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('reason', 'socketfleet_unknown_sessions_total'), legend: '{{reason}}' }],
					fault: true,
				},
			],
		},
		{
			title: 'Events',
			panels: [
				{
					title: 'Events received by namespace',
					help: 'From clients. Namespaces beyond the first hundred of a worker are added up as other.',
					kind: 'stack',
					unit: 'cps',
					queries: [{ expr: rateBy('nsp', 'socketfleet_events_in_total'), legend: '{{nsp}}' }],
				},
				{
					title: 'Events sent by namespace',
					help: 'One for each receiving client: a broadcast to a thousand clients counts a thousand.',
					kind: 'stack',
					unit: 'cps',
					queries: [{ expr: rateBy('nsp', 'socketfleet_events_out_total'), legend: '{{nsp}}' }],
				},
				{
					title: 'Emit API requests',
					help: 'Of processes that emit over HTTP, by status.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('route, status', 'socketfleet_emit_requests_total'), legend: '{{route}} {{status}}' }],
				},
				{
					title: 'Emit API messages',
					help: 'Messages in those requests, by result.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('result', 'socketfleet_emit_messages_total'), legend: '{{result}}' }],
				},
			],
		},
	],
};
