/** While pods come and go: which versions run, who drains, and do the clients come back well? */
import { type Dashboard, maxBy, rateBy, sumBy } from './dashboard.ts';

export const ROLLOUT: Dashboard = {
	id: 'socketfleet-rollout',
	title: 'Socketfleet / Roll-out',
	about: 'While pods come and go: which versions run, who drains, and do the clients come back well?',
	rows: [
		{
			title: 'Pods',
			panels: [
				{
					title: 'Pods by version',
					help: 'Of Socketfleet. Two lines cross during an upgrade.',
					kind: 'stack',
					unit: 'none',
					queries: [{ expr: 'count by (version) (socketfleet_info{$pods})', legend: '{{version}}' }],
				},
				{
					title: 'Workers by state',
					help: 'New pods start theirs; the old ones keep theirs until they are drained.',
					kind: 'stack',
					unit: 'none',
					queries: [{ expr: sumBy('state', 'socketfleet_workers'), legend: '{{state}}' }],
				},
				{
					title: 'Drain by pod',
					help: '0 serving, 1 waiting for load balancers, 2 closing connections, 3 terminating what hangs.',
					kind: 'lines',
					unit: 'none',
					queries: [{ expr: maxBy('pod', 'socketfleet_drain_state'), legend: '{{pod}}' }],
					fault: true,
				},
				{
					title: 'Connections by pod',
					help: 'They leave the pods that drain, evenly over spreadSeconds, and arrive at the others.',
					kind: 'lines',
					unit: 'short',
					queries: [{ expr: sumBy('pod', 'socketfleet_connections'), legend: '{{pod}}' }],
				},
			],
		},
		{
			title: 'Clients',
			panels: [
				{
					title: 'Connections ended by a drain',
					help: 'closed: in order, the client comes back by itself and may recover. terminated: it hung until the end.',
					kind: 'stack',
					unit: 'cps',
					queries: [{ expr: rateBy('how', 'socketfleet_drained_connections_total'), legend: '{{how}}' }],
				},
				{
					title: 'Connections closed on request of the operator',
					help: 'drain: before it removes a pod. rebalance: so that a new pod gets its share.',
					kind: 'stack',
					unit: 'cps',
					queries: [{ expr: rateBy('reason', 'socketfleet_shed_connections_total'), legend: '{{reason}}' }],
				},
				{
					title: 'Sessions opened',
					help: 'The wave that a drain causes. Higher than what the other pods can take: make spreadSeconds longer.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('pod', 'socketfleet_sessions_opened_total'), legend: '{{pod}}' }],
				},
				{
					title: 'Clients recovered',
					help: 'By result. During a roll-out nearly all of those that come back are recovered.',
					kind: 'stack',
					unit: 'cps',
					queries: [{ expr: rateBy('result', 'socketfleet_recovery_total'), legend: '{{result}}' }],
				},
				{
					title: 'Unknown sessions',
					help: 'Rises when pods end without a drain: a grace period that is too short.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('reason', 'socketfleet_unknown_sessions_total'), legend: '{{reason}}' }],
				},
			],
		},
	],
};
