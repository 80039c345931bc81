import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addLoads, LoadMeter, NO_LOAD } from '../../../src/metrics/load.ts';
import { createMetrics } from '../../../src/metrics/registry.ts';

test('rates are those since the last reading; readings in quick succession give the same ones', async () => {
	const metrics = createMetrics();
	let now = 0;
	const meter = new LoadMeter(metrics, () => now);
	metrics.inc('socketfleet_events_in_total', { nsp: '/' }, 1000);
	assert.deepEqual(await meter.read(3), { ...NO_LOAD, connections: 3 });

	metrics.inc('socketfleet_sessions_opened_total', {}, 4);
	metrics.inc('socketfleet_events_in_total', { nsp: '/' }, 30);
	metrics.inc('socketfleet_events_out_total', { nsp: '/a' }, 60);
	metrics.inc('socketfleet_publish_total', { result: 'ok' }, 1);
	now = 2000;
	const expected = { connections: 7, opened: 2, received: 15, sent: 30, published: 0.5 };
	assert.deepEqual(await meter.read(7), expected);

	metrics.inc('socketfleet_events_in_total', { nsp: '/' }, 500);
	now = 2100;
	assert.deepEqual(await meter.read(8), { ...expected, connections: 8 });
	now = 4000;
	assert.deepEqual(await meter.read(8), { connections: 8, opened: 0, received: 250, sent: 0, published: 0 });
});

test('the loads of the workers add up to that of their pod', () => {
	const load = { connections: 1, opened: 2, received: 3, sent: 4, published: 5 };
	assert.deepEqual(addLoads([load, load]), { connections: 2, opened: 4, received: 6, sent: 8, published: 10 });
	assert.deepEqual(addLoads([]), NO_LOAD);
});
