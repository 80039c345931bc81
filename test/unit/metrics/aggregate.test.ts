import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTotals, type MetricSource } from '../../../src/metrics/aggregate.ts';
import { renderExposition } from '../../../src/metrics/expose.ts';
import type { Family, MetricSnapshot, Sample } from '../../../src/metrics/snapshot.ts';
import { parseExposition, sampleValue } from '../../support/exposition.ts';
import { createRandom } from '../../support/fuzz.ts';

type Samples = Record<string, number>;

/** `{ 'x{a=1}': 2 }` as samples; enough of a notation for these tests. */
function toSamples(values: Samples): Sample[] {
	return Object.entries(values).map(([key, value]) => {
		const [name = '', labels = ''] = key.replace('}', '').split('{');
		return {
			name,
			labels: Object.fromEntries(
				labels
					.split(',')
					.filter(Boolean)
					.map((pair) => pair.split('=')),
			),
			value,
		};
	});
}

function family(type: Family['type'], name: string, values: Samples, aggregator?: string): Family {
	return { name, help: `Help of ${name}.`, type, samples: toSamples(values), ...(aggregator ? { aggregator } : {}) };
}

const own = (...families: Family[]): MetricSnapshot => ({ own: families, app: [] });
const app = (...families: Family[]): MetricSnapshot => ({ own: [], app: families });

function mergeOf(snapshots: readonly MetricSnapshot[]) {
	const totals = createTotals();
	for (const [slot, snapshot] of snapshots.entries()) {
		totals.add(String(slot)).record(snapshot);
	}
	const merged = totals.merge();
	return { ...merged, text: parseExposition(renderExposition(merged.families)) };
}

test('workers that have seen a hundred different namespaces each are a hundred together, and the sum is kept', () => {
	const totals = createTotals();
	const snapshotOf = (worker: number, value: number): MetricSnapshot => ({
		own: [
			{
				name: 'socketfleet_events_in_total',
				help: 'Events.',
				type: 'counter',
				samples: Array.from({ length: 100 }, (_each, index) => ({
					name: 'socketfleet_events_in_total',
					labels: { nsp: `/${worker}/${index}` },
					value,
				})),
			},
		],
		app: [],
	});
	const sources = Array.from({ length: 16 }, (_each, slot) => totals.add(String(slot)));
	const eventsIn = () => totals.merge().families.find(({ name }) => name === 'socketfleet_events_in_total')?.samples ?? [];
	for (const [worker, source] of sources.entries()) {
		source.record(snapshotOf(worker, 1));
	}
	const before = new Map(eventsIn().map(({ labels, value }) => [labels.nsp, value]));
	assert.equal(before.size, 101);
	assert.equal(before.get('other'), 1500);
	for (const [worker, source] of sources.entries()) {
		source.record(snapshotOf(worker, 2));
		source.end();
	}
	for (const { labels, value } of eventsIn()) {
		assert.equal(value, 2 * (before.get(labels.nsp) ?? 0), labels.nsp);
	}
});

test('counters and histograms are added up by labels, gauges as the catalogue says', () => {
	const worker = (value: number) =>
		own(
			family('counter', 'socketfleet_events_in_total', { 'socketfleet_events_in_total{nsp=/}': value }),
			family('gauge', 'socketfleet_tunnels', { socketfleet_tunnels: value }),
			family('gauge', 'socketfleet_stream_lag_seconds', { socketfleet_stream_lag_seconds: value }),
			family('gauge', 'socketfleet_redis_up', { socketfleet_redis_up: value }),
			family('gauge', 'socketfleet_heap_bytes', { socketfleet_heap_bytes: value }),
			family('histogram', 'socketfleet_publish_seconds', {
				'socketfleet_publish_seconds_bucket{le=0.1}': value,
				'socketfleet_publish_seconds_bucket{le=+Inf}': value + 1,
				socketfleet_publish_seconds_sum: value,
				socketfleet_publish_seconds_count: value + 1,
			}),
		);
	const { text, dropped } = mergeOf([worker(3), worker(5)]);
	const expected: [string, number][] = [
		['socketfleet_events_in_total{nsp="/"}', 8],
		['socketfleet_tunnels', 8],
		['socketfleet_stream_lag_seconds', 5],
		['socketfleet_redis_up', 3],
		['socketfleet_heap_bytes{worker="0"}', 3],
		['socketfleet_heap_bytes{worker="1"}', 5],
		['socketfleet_publish_seconds_bucket{le="0.1"}', 8],
		['socketfleet_publish_seconds_count', 10],
		['socketfleet_app_metrics_dropped', 0],
	];
	for (const [key, value] of expected) {
		assert.equal(sampleValue(text, key), value, key);
	}
	assert.deepEqual(dropped, []);
});

test('labels in another order are the same series', () => {
	const { text } = mergeOf([
		app(family('counter', 'x_total', { 'x_total{a=1,b=2}': 1 })),
		app(family('counter', 'x_total', { 'x_total{b=2,a=1}': 1 })),
	]);
	assert.deepEqual(text.get('x_total')?.samples, new Map([['x_total{a="1",b="2"}', 2]]));
});

test("the application's gauges merge by their aggregator, summaries by their sums", () => {
	const worker = (value: number) =>
		app(
			...['sum', 'max', 'min', 'average', 'first', 'omit', 'nonsense'].map((how) => family('gauge', how, { [how]: value }, how)),
			family('summary', 'wait', { 'wait{quantile=0.5}': value, wait_sum: value, wait_count: 1 }),
		);
	const { text } = mergeOf([worker(2), worker(8), worker(5)]);
	const values = ['sum', 'max', 'min', 'average', 'first', 'nonsense', 'wait_sum', 'wait_count'].map((key) => sampleValue(text, key));
	assert.deepEqual(values, [15, 8, 2, 5, 2, 15, 15, 3]);
	assert.equal(text.get('omit'), undefined);
	assert.deepEqual([...(text.get('wait')?.samples.keys() ?? [])], ['wait_sum', 'wait_count'], 'quantiles can not be merged');
});

test("what can't be merged is left out and counted, the rest stays", () => {
	const buckets = (...bounds: string[]) =>
		family('histogram', 'h', { ...Object.fromEntries(bounds.map((le) => [`h_bucket{le=${le}}`, 1])), h_sum: 1, h_count: 1 });
	const first = app(
		family('counter', 'x', { x: 1 }),
		family('counter', 'socketfleet_connections', { socketfleet_connections: 1 }),
		family('counter', 'h_count', { h_count: 9 }),
		buckets('1', '+Inf'),
		family('counter', 'fine_total', { fine_total: 1 }),
	);
	const second = app(family('gauge', 'x', { x: 100 }), buckets('2', '+Inf'), family('counter', 'fine_total', { fine_total: 1 }));
	const { text, dropped } = mergeOf([first, second]);
	assert.deepEqual(dropped.map(({ name, reason }) => `${name} ${reason}`).sort(), [
		'h conflict',
		'h_count clash',
		'socketfleet_connections reserved',
		'x conflict',
	]);
	assert.equal(sampleValue(text, 'socketfleet_app_metrics_dropped'), 4);
	assert.equal(sampleValue(text, 'x'), 1, 'the first to use a name decides its type');
	assert.equal(sampleValue(text, 'h_bucket{le="1"}'), 1);
	assert.equal(sampleValue(text, 'fine_total'), 2);
});

test('a silent worker costs its own gauges only; one that ends leaves its counters; late words of it do not count', () => {
	const totals = createTotals();
	const snapshot = (value: number) =>
		own(
			family('counter', 'socketfleet_sessions_opened_total', { socketfleet_sessions_opened_total: value }),
			family('gauge', 'socketfleet_tunnels', { socketfleet_tunnels: value }),
			family('gauge', 'socketfleet_heap_bytes', { socketfleet_heap_bytes: value }),
		);
	const read = () => {
		const text = parseExposition(renderExposition(totals.merge().families));
		return [
			sampleValue(text, 'socketfleet_sessions_opened_total'),
			sampleValue(text, 'socketfleet_tunnels'),
			[...(text.get('socketfleet_heap_bytes')?.samples.keys() ?? [])].join(' '),
		];
	};
	const [first, second] = [totals.add('0'), totals.add('1')];
	first.record(snapshot(10));
	second.record(snapshot(1));
	assert.deepEqual(read(), [11, 11, 'socketfleet_heap_bytes{worker="0"} socketfleet_heap_bytes{worker="1"}']);
	second.silence();
	assert.deepEqual(read(), [11, 10, 'socketfleet_heap_bytes{worker="0"}']);
	second.record(snapshot(2));
	assert.deepEqual(read(), [12, 12, 'socketfleet_heap_bytes{worker="0"} socketfleet_heap_bytes{worker="1"}']);
	first.end();
	first.end();
	first.record(snapshot(500));
	assert.deepEqual(read(), [12, 2, 'socketfleet_heap_bytes{worker="1"}']);
	totals.add('0').record(snapshot(3));
	assert.deepEqual(read(), [15, 5, 'socketfleet_heap_bytes{worker="1"} socketfleet_heap_bytes{worker="0"}']);
});

test('whatever dies, restarts or falls silent: no counter falls, and each is exactly the sum of what every life last said', () => {
	const random = createRandom(7);
	const totals = createTotals();
	const lives = Array.from({ length: 4 }, (_, slot) => startLife(slot));
	let past = 0;
	let before = new Map<string, number>();

	function startLife(slot: number): { slot: number; source: MetricSource; count: number; said: number } {
		return { slot, source: totals.add(String(slot)), count: 0, said: 0 };
	}

	for (let step = 0; step < 2000; step++) {
		const slot = Math.floor(random() * lives.length);
		const life = lives[slot];
		assert.ok(life);
		life.count += Math.floor(random() * 5);
		const action = random();
		if (action < 0.7) {
			life.said = life.count;
			life.source.record(lifeSnapshot(life.count));
		} else if (action < 0.85) {
			life.source.silence();
		} else {
			life.source.end();
			past += life.said;
			lives[slot] = startLife(slot);
		}
		const text = parseExposition(renderExposition(totals.merge().families));
		const now = new Map([...text.values()].filter(({ type }) => type !== 'gauge').flatMap(({ samples }) => [...samples]));
		for (const [key, value] of before) {
			assert.ok((now.get(key) ?? -1) >= value, `step ${step}: ${key} fell from ${value} to ${now.get(key)}`);
		}
		const expected = past + lives.reduce((sum, { said }) => sum + said, 0);
		assert.equal(now.get('orders_total{kind="a"}') ?? 0, expected, `step ${step}`);
		assert.equal(now.get('wait_count') ?? 0, expected, `step ${step}`);
		before = now;
	}
	assert.ok(past > 1000, 'many died');
});

function lifeSnapshot(count: number): MetricSnapshot {
	const fast = Math.floor(count / 2);
	return {
		own: [family('counter', 'socketfleet_sessions_opened_total', { socketfleet_sessions_opened_total: count })],
		app: [
			family('counter', 'orders_total', { 'orders_total{kind=a}': count }),
			family('gauge', 'level', { level: count }),
			family('histogram', 'wait', { 'wait_bucket{le=1}': fast, 'wait_bucket{le=+Inf}': count, wait_sum: count, wait_count: count }),
		],
	};
}
