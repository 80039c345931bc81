import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchUtilization } from '../../../src/metrics/runtime.ts';

test('utilisation is of ten seconds or more, however often and by however many it is read', () => {
	let now = 0;
	const total = { idle: 0, active: 0, utilization: 0 };
	const utilization = watchUtilization(
		() => now,
		() => ({ ...total }),
	);
	const pass = (ms: number, busy: number): void => {
		now += ms;
		total.active += ms * busy;
		total.idle += ms * (1 - busy);
	};
	const rounded = (): number => Math.round(utilization() * 1000) / 1000;
	pass(15_000, 0.2);
	assert.equal(rounded(), 0.2);
	// Busy for a moment after that reading: alone it would say 1.
	pass(100, 1);
	assert.equal(rounded(), 0.205);
	for (let second = 0; second < 40; second++) {
		pass(1000, 0.6);
		utilization();
	}
	assert.equal(rounded(), 0.6);
});
