import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counter, Gauge } from 'prom-client';
import { createTotals } from '../../../src/metrics/aggregate.ts';
import { METRIC_NAMES, OPEN, rowOf } from '../../../src/metrics/catalog.ts';
import { renderExposition } from '../../../src/metrics/expose.ts';
import { createMetrics, type Metrics } from '../../../src/metrics/registry.ts';
import { parseExposition, sampleValue } from '../../support/exposition.ts';

async function scrape(metrics: Metrics) {
	const totals = createTotals();
	totals.add('3').record(structuredClone(await metrics.snapshot()));
	return parseExposition(renderExposition(totals.merge().families));
}

test('what is tallied is there whenever it is read, and is counted once', async () => {
	const metrics = createMetrics();
	const [received, again] = [0, 1].map(() => metrics.tally('socketfleet_events_in_total', { nsp: '/' }));
	for (let count = 0; count < 1000; count++) {
		received?.();
	}
	again?.();
	assert.deepEqual(await metrics.totals(['socketfleet_events_in_total']), [1001]);
	assert.equal(sampleValue(await scrape(metrics), 'socketfleet_events_in_total{nsp="/"}'), 1001);
	received?.();
	metrics.inc('socketfleet_events_in_total', { nsp: '/' });
	assert.equal(sampleValue(await scrape(metrics), 'socketfleet_events_in_total{nsp="/"}'), 1003);
});

test('asking for totals is no scrape: gauges that measure since the last one go on', async () => {
	const metrics = createMetrics();
	let refreshed = 0;
	metrics.onSnapshot(() => refreshed++);
	await metrics.totals(['socketfleet_events_in_total']);
	assert.equal(refreshed, 0);
	await metrics.snapshot();
	assert.equal(refreshed, 1);
});

test('namespaces that clients make up share a tally once there are a hundred', async () => {
	const metrics = createMetrics();
	const tallies = new Set(Array.from({ length: 10_000 }, (_, index) => metrics.tally('socketfleet_events_in_total', { nsp: `/${index}` })));
	assert.equal(tallies.size, 101);
	for (const tally of tallies) {
		tally();
	}
	assert.deepEqual(await metrics.totals(['socketfleet_events_in_total']), [101]);
});

test('the catalogue follows the conventions', () => {
	for (const name of METRIC_NAMES) {
		const row = rowOf(name);
		assert.match(name, /^socketfleet_[a-z0-9_]+$/);
		assert.equal(name.endsWith('_total'), row.type === 'counter', `${name}: counters, and only they, end with _total`);
		assert.doesNotMatch(name, /_(ms|milliseconds|kb|mb|percent|count|sum|bucket)(_|$)/, `${name}: base units`);
		assert.match(row.help, /\.$/, `${name}: a sentence`);
		for (const [label, values] of Object.entries(row.labels)) {
			assert.match(label, /^[a-z][a-z0-9_]*$/);
			assert.ok(
				!['le', 'quantile', 'worker', 'instance', 'job', 'namespace', 'pod', 'container'].includes(label),
				`${name}: ${label} means something else`,
			);
			assert.ok(values === OPEN || values.length > 1, `${name}: ${label} distinguishes something`);
		}
	}
});

test('recorded values come out in the text, odd label values unharmed', async () => {
	const metrics = createMetrics();
	const odd = '/a"b\\c\nd';
	metrics.inc('socketfleet_events_in_total', { nsp: odd }, 3);
	metrics.inc('socketfleet_events_in_total', { nsp: odd });
	metrics.inc('socketfleet_forwarded_requests_total', { target: 'sibling', result: 'ok' }, 2);
	metrics.set('socketfleet_connections', { transport: 'websocket' }, 7);
	metrics.set('socketfleet_connections', { transport: 'websocket' }, 5);
	metrics.set('socketfleet_heap_bytes', {}, 1e6);
	metrics.observe('socketfleet_publish_seconds', {}, 0.003);
	metrics.observe('socketfleet_publish_seconds', {}, 30);
	const text = await scrape(metrics);
	const expected: [string, number][] = [
		[`socketfleet_events_in_total{nsp="${odd}"}`, 4],
		['socketfleet_forwarded_requests_total{result="ok",target="sibling"}', 2],
		['socketfleet_connections{transport="websocket"}', 5],
		['socketfleet_heap_bytes{worker="3"}', 1e6],
		['socketfleet_publish_seconds_bucket{le="0.0025"}', 0],
		['socketfleet_publish_seconds_bucket{le="0.005"}', 1],
		['socketfleet_publish_seconds_bucket{le="+Inf"}', 2],
		['socketfleet_publish_seconds_sum', 30.003],
	];
	for (const [key, value] of expected) {
		assert.equal(sampleValue(text, key), value, key);
	}
});

test('counters are there at 0 from the start, gauges only once they are measured', async () => {
	const text = await scrape(createMetrics());
	assert.equal(text.get('socketfleet_sessions_opened_total')?.samples.get('socketfleet_sessions_opened_total'), 0);
	const reasons = text.get('socketfleet_rejected_connections_total')?.samples;
	assert.equal(reasons?.get('socketfleet_rejected_connections_total{reason="head_timeout"}'), 0);
	assert.equal(text.get('socketfleet_redis_up'), undefined);
	assert.equal(text.get('socketfleet_heap_bytes'), undefined);
});

test('10,000 namespaces of a hostile client become 101 series, and nothing is left uncounted', async () => {
	const metrics = createMetrics();
	for (let index = 0; index < 10_000; index++) {
		metrics.inc('socketfleet_events_in_total', { nsp: `/${index}` });
	}
	metrics.inc('socketfleet_events_in_total', { nsp: '/5' });
	const samples = (await scrape(metrics)).get('socketfleet_events_in_total')?.samples;
	assert.equal(samples?.size, 101);
	assert.equal(samples?.get('socketfleet_events_in_total{nsp="/5"}'), 2, 'known ones go on');
	assert.equal(samples?.get('socketfleet_events_in_total{nsp="other"}'), 9900);
});

test('gauges are refreshed by a snapshot; a collector of the application that throws or hangs costs only the application', async (t) => {
	t.mock.timers.enable({ apis: ['setTimeout'] });
	const metrics = createMetrics();
	let rss = 1;
	metrics.onSnapshot(() => metrics.set('socketfleet_rss_bytes', {}, rss));
	new Counter({ name: 'orders_total', help: 'Orders.', registers: [metrics.app] }).inc(2);
	assert.equal(sampleValue(await scrape(metrics), 'orders_total'), 2);
	rss = 2;

	let collect: () => Promise<void> = () => Promise.reject(new Error('database away'));
	new Gauge({ name: 'stock', help: 'Stock.', registers: [metrics.app], collect: () => collect() });
	const failed = await scrape(metrics);
	assert.equal(sampleValue(failed, 'socketfleet_rss_bytes{worker="3"}'), 2);
	assert.equal(failed.get('orders_total'), undefined);

	collect = () => Promise.race([]);
	const hanging = scrape(metrics);
	await new Promise(setImmediate);
	t.mock.timers.tick(500);
	assert.equal(sampleValue(await hanging, 'socketfleet_app_collect_failures_total'), 1, 'of the first; the second is in the next snapshot');
	collect = () => Promise.resolve();
	const well = await scrape(metrics);
	assert.equal(sampleValue(well, 'socketfleet_app_collect_failures_total'), 2);
	assert.equal(sampleValue(well, 'orders_total'), 2);
});
