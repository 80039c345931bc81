/** The operator itself: does it lead, keep up, and see what happens? What it decides is in Events and conditions of the SocketFleets. */
import { type Dashboard, maxBy, rateBy } from './dashboard.ts';

const quantile = (share: number): string =>
	`histogram_quantile(${share}, ${rateBy('le', 'socketfleet_operator_reconcile_seconds_bucket')})`;

export const OPERATOR: Dashboard = {
	id: 'socketfleet-operator',
	title: 'Socketfleet / Operator',
	about: 'Does the operator lead, keep up, and see what happens?',
	of: 'operator',
	rows: [
		{
			title: 'Now',
			panels: [
				{
					title: 'Leaders',
					help: 'Exactly 1. 0: nobody acts; fleets run on as they are.',
					kind: 'stat',
					unit: 'none',
					queries: [{ expr: 'sum(socketfleet_operator_leader{$pods})', legend: 'leaders' }],
					limit: { value: 1, bad: 'below' },
				},
				{
					title: 'Fleets',
					help: 'SocketFleets that the operator knows.',
					kind: 'stat',
					unit: 'none',
					queries: [{ expr: maxBy('', 'socketfleet_operator_fleets'), legend: 'fleets' }],
				},
				{
					title: 'Fleets that wait',
					help: 'For a look. Above 0 for long: the API server is slow, or looks fail and come again.',
					kind: 'stat',
					unit: 'none',
					queries: [{ expr: maxBy('', 'socketfleet_operator_queue_depth'), legend: 'waiting' }],
				},
				{
					title: 'Silence of the API server',
					help: 'Since it last said anything about a resource, bookmarks included. Minutes: the operator acts on what it knew then.',
					kind: 'stat',
					unit: 's',
					queries: [{ expr: maxBy('resource', 'socketfleet_operator_watch_age_seconds'), legend: '{{resource}}' }],
				},
			],
		},
		{
			title: 'Work',
			panels: [
				{
					title: 'Looks at fleets by result',
					help: 'requeue is normal while pods drain. failed is said in the condition of the fleet.',
					kind: 'stack',
					unit: 'cps',
					queries: [{ expr: rateBy('result', 'socketfleet_operator_reconciles_total'), legend: '{{result}}' }],
				},
				{
					title: 'Time of a look',
					help: 'Mostly requests to the API server.',
					kind: 'lines',
					unit: 's',
					queries: [
						{ expr: quantile(0.5), legend: 'median' },
						{ expr: quantile(0.99), legend: '99 %' },
					],
				},
				{
					title: 'Requests to the API server',
					help: 'By verb and result.',
					kind: 'stack',
					unit: 'cps',
					queries: [{ expr: rateBy('verb, result', 'socketfleet_operator_api_requests_total'), legend: '{{verb}} {{result}}' }],
				},
				{
					title: 'Watches begun again',
					help: 'A watch that the API server ends in order is begun again every few minutes. Many with an error: rights or network.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('resource, reason', 'socketfleet_operator_watch_restarts_total'), legend: '{{resource}} {{reason}}' }],
				},
				{
					title: 'Custom metrics asked for',
					help: 'Requests to the API that the operator serves with customMetrics.enabled, by HTTP status. 401 and 403: rights, or not the API server; 404: a metric that is not there.',
					kind: 'stack',
					unit: 'cps',
					queries: [{ expr: rateBy('status', 'socketfleet_operator_custom_metrics_requests_total'), legend: '{{status}}' }],
				},
			],
		},
		{
			title: 'Decisions',
			panels: [
				{
					title: 'Pods drained before they went',
					help: 'overdue: the time for a drain was over and it still had connections.',
					kind: 'stack',
					unit: 'cps',
					queries: [{ expr: rateBy('result', 'socketfleet_operator_drains_total'), legend: '{{result}}' }],
				},
				{
					title: 'Rounds of rebalancing',
					help: 'Each closes a bounded share of the connections of the fullest pods.',
					kind: 'lines',
					unit: 'cps',
					queries: [{ expr: rateBy('', 'socketfleet_operator_rebalance_rounds_total'), legend: 'rounds' }],
				},
			],
		},
	],
};
