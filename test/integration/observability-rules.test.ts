/** Alert rules by promtool: each alert has input that fires it and input that looks alike and must not. Time is promtool's, nothing runs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { alertName } from '../../scripts/alerts/alert.ts';
import { ALERTS } from '../../scripts/alerts/alerts.ts';
import { buildRules, RUNBOOKS, type Rule } from '../../scripts/alerts/rules.ts';
import { findRow } from '../../src/metrics/catalog.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RULES = buildRules('demo', 'chat');
const A = 'chat-6d4cf56db6-aaaaa';
const B = 'chat-6d4cf56db6-bbbbb';
/** Of another fleet whose name begins alike: none of its trouble is ours. */
const OTHER = 'chat-eu-6d4cf56db6-ccccc';

/** `metric{label="value"}` of a pod -> promtool's notation, one value each minute: `start+stepxminutes`. */
type Series = readonly [metric: string, values: string, pod?: string];

interface Scenario {
	readonly what: string;
	readonly series: readonly Series[];
	readonly atMinutes: number;
	/** Names without the prefix, each with the pod that its labels carry, if they do. */
	readonly fires: Readonly<Record<string, string | undefined>>;
}

/** A fleet of two pods in which all is well, for so many minutes. */
const healthy = (minutes: number): Series[] =>
	[A, B].flatMap((pod): Series[] => [
		['socketfleet_workers{state="ready"}', `2x${minutes}`, pod],
		['socketfleet_redis_up', `1x${minutes}`, pod],
		['socketfleet_connections{transport="websocket"}', `1000x${minutes}`, pod],
		['socketfleet_sessions_opened_total', `0+600x${minutes}`, pod],
		['socketfleet_publish_total{result="ok"}', `0+6000x${minutes}`, pod],
		['socketfleet_recovery_total{result="recovered",reason="none"}', `0+60x${minutes}`, pod],
		['socketfleet_event_loop_utilization_ratio{worker="0"}', `0.4x${minutes}`, pod],
		['socketfleet_stream_lag_seconds', `0.01x${minutes}`, pod],
		['socketfleet_stream_entries_read_total', `0+9000x${minutes}`, pod],
		['socketfleet_stream_retention_seconds', `300x${minutes}`, pod],
		['socketfleet_recovery_window_seconds', `120x${minutes}`, pod],
	]);

/** `healthy` with some of its series replaced and others added. */
function fleet(changes: readonly Series[], minutes = 40): Series[] {
	const key = ([metric, , pod = A]: Series): string => `${metric} ${pod}`;
	const changed = new Set(changes.map(key));
	return [...healthy(minutes).filter((series) => !changed.has(key(series))), ...changes];
}

const SCENARIOS: readonly Scenario[] = [
	{ what: 'all is well', series: fleet([]), atMinutes: 39, fires: {} },
	{ what: 'another fleet is gone, ours is there', series: fleet([['socketfleet_redis_up', '0x40', OTHER]]), atMinutes: 39, fires: {} },
	{
		what: 'nothing of ours is scraped',
		series: [['socketfleet_workers{state="ready"}', '2x40', OTHER]],
		atMinutes: 30,
		fires: { NotScraped: undefined },
	},
	{ what: 'scraping paused for four minutes', series: fleet([['up', '1x40']]).map(pausedFor(4)), atMinutes: 14, fires: {} },
	{
		what: 'a pod without workers',
		series: fleet([['socketfleet_workers{state="ready"}', '2x10 0x30']]),
		atMinutes: 20,
		fires: { PodWithoutWorkers: A },
	},
	{
		what: 'a pod that drains: no workers, no Redis, busy, late',
		series: fleet([
			['socketfleet_workers{state="ready"}', '2x10 0x30'],
			['socketfleet_redis_up', '1x10 0x30'],
			['socketfleet_event_loop_utilization_ratio{worker="0"}', '1x40'],
			['socketfleet_stream_lag_seconds', '60x40'],
			['socketfleet_drain_state', '_x10 2x30'],
		]),
		atMinutes: 22,
		fires: {},
	},
	{ what: 'a drain that does not end', series: fleet([['socketfleet_drain_state', '_x10 2x30']]), atMinutes: 39, fires: { DrainHangs: A } },
	{
		what: 'workers crash',
		series: fleet([['socketfleet_worker_restarts_total{reason="died"}', '0+1x40']]),
		atMinutes: 30,
		fires: { WorkersCrash: A },
	},
	{
		what: 'workers are replaced on request, and one died',
		series: fleet([
			['socketfleet_worker_restarts_total{reason="requested"}', '0+1x40'],
			['socketfleet_worker_restarts_total{reason="died"}', '0x20 1x20'],
		]),
		atMinutes: 30,
		fires: {},
	},
	{
		what: 'a twentieth of the clients does not get in, for an hour',
		series: fleet(
			[
				['socketfleet_rejected_connections_total{reason="no_worker"}', '0x30 0+60x70'],
				['socketfleet_handover_failures_total{reason="worker_gone"}', '0x100'],
			],
			100,
		),
		atMinutes: 95,
		fires: { ConnectFailures: undefined },
	},
	{
		what: 'scanners and clients that go away are refused, and a burst of real failures is over',
		series: fleet(
			[
				['socketfleet_rejected_connections_total{reason="bad_head"}', '0+600x100'],
				['socketfleet_rejected_connections_total{reason="no_worker"}', '0x30 0+60x20 1200x50'],
				['socketfleet_handover_failures_total{reason="peer_gone"}', '0+600x100'],
			],
			100,
		),
		atMinutes: 90,
		fires: {},
	},
	{
		what: 'one message in a hundred is not published: the slow burn',
		series: fleet([['socketfleet_publish_total{result="timeout"}', '0+120x100']], 100),
		atMinutes: 90,
		fires: { DeliveryFailures: undefined },
	},
	{
		what: 'one message in two thousand is not published: within the budget',
		series: fleet([['socketfleet_publish_total{result="timeout"}', '0+6x100']], 100),
		atMinutes: 90,
		fires: {},
	},
	{
		what: 'a pod lost Redis',
		series: fleet([['socketfleet_redis_up', '1x10 0x30']]),
		atMinutes: 20,
		fires: { RedisAway: undefined },
	},
	{ what: 'Redis failed over within half a minute', series: fleet([['socketfleet_redis_up', '1x10 0 1x29']]), atMinutes: 12, fires: {} },
	{ what: 'late', series: fleet([['socketfleet_stream_lag_seconds', '8x40']]), atMinutes: 20, fires: { DeliveryLate: A } },
	{
		what: 'the last entry was late, and nothing has been sent since',
		series: fleet([
			['socketfleet_stream_lag_seconds', '8x40'],
			['socketfleet_stream_entries_read_total', '500x40'],
		]),
		atMinutes: 20,
		fires: {},
	},
	{
		what: 'half of the clients are refused, the stream was trimmed',
		series: fleet([['socketfleet_recovery_total{result="refused",reason="trimmed"}', '0+60x40']]),
		atMinutes: 30,
		fires: { RecoveryRefused: undefined },
	},
	{
		what: 'laptops wake up in the morning',
		series: fleet([['socketfleet_recovery_total{result="refused",reason="no_session"}', '0+600x40']]),
		atMinutes: 30,
		fires: {},
	},
	{
		what: 'retention is short',
		series: fleet([['socketfleet_stream_retention_seconds', '300x10 40x30']]),
		atMinutes: 30,
		fires: { RetentionShort: undefined },
	},
	{
		what: 'a stream of one entry, to which nobody writes',
		series: [
			...fleet([]).filter(([metric]) => !/stream_(retention|entries)/.test(metric)),
			['socketfleet_stream_retention_seconds', '0x40'],
			['socketfleet_stream_entries_read_total', '500x40'],
		],
		atMinutes: 30,
		fires: {},
	},
	{
		what: 'no affinity: three requests of each session go to the other pod',
		series: fleet([['socketfleet_forwarded_requests_total{target="pod",result="ok"}', '0+3600x40']]),
		atMinutes: 39,
		fires: { AffinityBroken: undefined },
	},
	{
		what: 'siblings forward to each other, and some requests cross pods',
		series: fleet([
			['socketfleet_forwarded_requests_total{target="sibling",result="ok"}', '0+6000x40'],
			['socketfleet_forwarded_requests_total{target="pod",result="ok"}', '0+120x40'],
		]),
		atMinutes: 39,
		fires: {},
	},
	{
		what: 'sessions whose owner is gone',
		series: fleet([['socketfleet_unknown_sessions_total{reason="owner_gone"}', '0+120x40']]),
		atMinutes: 35,
		fires: { UnknownSessions: undefined },
	},
	{
		what: 'sessions that timed out, and scanners',
		series: fleet([
			['socketfleet_unknown_sessions_total{reason="expired"}', '0+600x40'],
			['socketfleet_unknown_sessions_total{reason="malformed"}', '0+600x40'],
		]),
		atMinutes: 35,
		fires: {},
	},
	{
		what: 'a storm: every client comes back more than once a minute',
		series: fleet([['socketfleet_sessions_opened_total', '0+3000x40']]),
		atMinutes: 30,
		fires: { ReconnectStorm: undefined },
	},
	{
		what: 'all clients come back once after a roll-out',
		series: fleet([['socketfleet_sessions_opened_total', '0x10 2000x30']]),
		atMinutes: 16,
		fires: {},
	},
	{
		what: 'a fiftieth of the clients is cut off',
		series: fleet([['socketfleet_slow_consumers_total', '0+3x40']]),
		atMinutes: 30,
		fires: { SlowConsumers: undefined },
	},
	{ what: 'a few clients are cut off', series: fleet([['socketfleet_slow_consumers_total', '0x20 4x20']]), atMinutes: 30, fires: {} },
	{
		what: 'one worker of two is saturated',
		series: fleet([['socketfleet_event_loop_utilization_ratio{worker="1"}', '0.97x40']]),
		atMinutes: 30,
		fires: { EventLoopSaturated: A },
	},
];

test('rules are valid, name metrics that exist and runbooks that are written', (t) => {
	const dir = scratch(t);
	promtool(dir, 'check', 'rules', writeRules(dir));
	for (const { alert, expr, annotations } of RULES) {
		const names = expr.match(/socketfleet_[a-z_]+/g) ?? [];
		assert.ok(names.length > 0, alert);
		assert.deepEqual(
			names.filter((name) => !findRow(name)),
			[],
			alert,
		);
		const page = annotations.runbook_url.slice(RUNBOOKS.length);
		assert.ok(existsSync(join(ROOT, 'docs/runbooks', page)), `${alert}: docs/runbooks${page}`);
	}
});

test('every alert fires when it should and stays silent when it should', (t) => {
	const dir = scratch(t);
	const fired = new Set(SCENARIOS.flatMap(({ fires }) => Object.keys(fires)));
	assert.deepEqual(
		ALERTS.map(alertName).filter((name) => !fired.has(name.replace('Socketfleet', ''))),
		[],
		'alerts that no scenario fires',
	);
	const file = join(dir, 'scenarios.json');
	const suite = { rule_files: [writeRules(dir)], evaluation_interval: '1m', tests: SCENARIOS.map(toPromtool) };
	writeFileSync(file, JSON.stringify(suite));
	promtool(dir, 'test', 'rules', file);
});

/** All alerts are asked for in every scenario: what is not named in `fires` must be silent. */
function toPromtool({ what, series, atMinutes, fires }: Scenario): object {
	return {
		name: what,
		interval: '1m',
		input_series: series.map(([metric, values, pod = A]) => ({ series: withPod(metric, pod), values })),
		alert_rule_test: RULES.map((rule) => {
			const name = rule.alert.replace('Socketfleet', '');
			const expected = name in fires ? [expectedAlert(rule, fires[name])] : [];
			return { eval_time: `${atMinutes}m`, alertname: rule.alert, exp_alerts: expected };
		}),
	};
}

function expectedAlert({ alert, labels, annotations }: Rule, pod: string | undefined): object {
	const own: Record<string, string> = pod === undefined ? {} : { pod };
	if (alert === 'SocketfleetNotScraped' || alert === 'SocketfleetPodWithoutWorkers') {
		own.state = 'ready';
	}
	return {
		exp_labels: { namespace: 'demo', ...own, ...labels },
		exp_annotations: { ...annotations, summary: annotations.summary.replace('{{ $labels.pod }}', pod ?? '') },
	};
}

function withPod(metric: string, pod: string): string {
	const [name = '', labels = ''] = metric.split('{');
	return `${name}{namespace="demo",pod="${pod}"${labels === '' ? '' : `,${labels.slice(0, -1)}`}}`;
}

/** The same series with a hole of some minutes after the tenth; good for constants and counters that start at 0. */
function pausedFor(minutes: number): (series: Series) => Series {
	return ([metric, values, pod = A]) => {
		const [start = '', step = '0'] = values.replace(/x\d+$/, '').split('+');
		const after = Number(start) + Number(step) * (10 + minutes);
		return [metric, `${start}+${step}x10 _x${minutes} ${after}+${step}x20`, pod];
	};
}

function writeRules(dir: string): string {
	const file = join(dir, 'rules.json');
	writeFileSync(file, JSON.stringify({ groups: [{ name: 'socketfleet', rules: RULES }] }));
	return file;
}

function scratch(t: { after(cleanup: () => void): void }): string {
	const dir = mkdtempSync(join(tmpdir(), 'socketfleet-rules-'));
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	return dir;
}

function promtool(dir: string, ...args: readonly string[]): void {
	const { status, stdout, stderr, error } = spawnSync('promtool', args, { cwd: dir, encoding: 'utf8', timeout: 150_000 });
	if (error) {
		throw new Error('promtool could not be run; Debian has it in the package prometheus', { cause: error });
	}
	assert.equal(status, 0, `${stdout}${stderr}`);
}

test('the Alertmanager recipe is valid, and every alert reaches the receiver of its severity', () => {
	const file = join(ROOT, 'docs/recipes/alertmanager/alertmanager.yml');
	assert.match(amtool('check-config', file), /SUCCESS/);
	for (const { alert, labels } of RULES) {
		const all = [`alertname=${alert}`, 'namespace=demo', `severity=${labels.severity}`, `fleet=${labels.fleet}`];
		const receiver = amtool('config', 'routes', 'test', `--config.file=${file}`, ...all).trim();
		assert.equal(receiver, labels.severity === 'critical' ? 'on-call' : 'mail', alert);
	}
	const names = readFileSync(file, 'utf8').match(/Socketfleet\w+|\((\w+\|)+\w+\)/g) ?? [];
	const known = new Set(RULES.map(({ alert }) => alert));
	const inhibited = names.flatMap((name) =>
		name.startsWith('(')
			? name
					.slice(1, -1)
					.split('|')
					.map((each) => `Socketfleet${each}`)
			: [name],
	);
	assert.deepEqual(
		inhibited.filter((name) => !known.has(name)),
		[],
		'alerts that are named and do not exist',
	);
	assert.ok(inhibited.length >= 7);
});

function amtool(...args: readonly string[]): string {
	const { status, stdout, stderr, error } = spawnSync('amtool', args, { encoding: 'utf8', timeout: 60_000 });
	if (error) {
		throw new Error('amtool could not be run; Debian has it in the package prometheus-alertmanager', { cause: error });
	}
	assert.equal(status, 0, `${stdout}${stderr}`);
	return stdout;
}
