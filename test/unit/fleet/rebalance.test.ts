import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FleetPod } from '../../../src/fleet/pods.ts';
import { decideRebalance, type RebalanceStatus } from '../../../src/fleet/rebalance.ts';
import { applyDefaults } from '../../../src/operator/api/defaults.ts';
import { pod } from '../../support/fleet-fixtures.ts';

const NOW = Date.parse('2026-01-01T00:10:00Z');

function decide(pods: readonly FleetPod[], before?: RebalanceStatus, more: { busy?: boolean; spec?: object } = {}) {
	const spec = applyDefaults({ rebalance: { enabled: true, ...more.spec } }).rebalance;
	const { status, closes } = decideRebalance({ spec, pods, before, busy: more.busy ?? false, nowMs: NOW });
	return { status, closes: Object.fromEntries(closes.map(({ pod: { name }, count }) => [name, count])) };
}

const uneven = [pod('a', 400), pod('b', 400), pod('c', 400), pod('d', 0)];

test('after a scale-up: what is above the mean, cut to the budget, from each full pod alike', () => {
	// Mean 300, 300 too many in all; a tenth of 1200 may move in a minute.
	const { status, closes } = decide(uneven);
	assert.deepEqual(closes, { a: 40, b: 40, c: 40 });
	assert.deepEqual(status, { active: true, fullestPercent: 133, lastRoundAt: '2026-01-01T00:10:00Z', movedConnections: 120 });
	assert.deepEqual(decide(uneven, undefined, { spec: { maxPercentPerMinute: 100 } }).closes, { a: 100, b: 100, c: 100 });
});

test('one round a minute, whoever asks', () => {
	const before = { active: true, movedConnections: 7, lastRoundAt: '2026-01-01T00:09:01Z' };
	assert.deepEqual(decide(uneven, before), { status: { ...before, fullestPercent: 133 }, closes: {} });
	assert.notDeepEqual(decide(uneven, { ...before, lastRoundAt: '2026-01-01T00:09:00Z' }).closes, {});
});

test('hysteresis: begun above one bound, ended below another', () => {
	const tilted = [pod('a', 240), pod('b', 160)]; // fullest 120 %
	assert.deepEqual(decide(tilted).closes, {});
	assert.deepEqual(decide(tilted, { active: true, movedConnections: 0 }).closes, { a: 40 });
	const even = [pod('a', 218), pod('b', 182)]; // 109 %
	assert.deepEqual(decide(even, { active: true, movedConnections: 0 }).status?.active, false);
});

test('left alone: when off, small, alone, busy, or when a pod is silent', () => {
	assert.deepEqual(decide(uneven, undefined, { spec: { enabled: false } }), { status: undefined, closes: {} });
	assert.deepEqual(decide([pod('a', 99), pod('b', 0)]).closes, {});
	assert.deepEqual(decide([pod('a', 9000)]).closes, {});
	assert.deepEqual(decide(uneven, undefined, { busy: true }).closes, {});
	assert.deepEqual(decide([...uneven, pod('e', 'silent')]).closes, {});
	// A pod that drains or goes is no place to move to.
	const leaving = [pod('a', 400), pod('b', 390), pod('c', 0, { drainingSinceMs: 1 }), pod('d', 0, { terminating: true })];
	assert.deepEqual(decide(leaving).closes, {});
});

test('rounds bring the fullest pod of four to at most 1.3 times the mean, and end', () => {
	// Clients that are closed come back at random: a quarter of them to each pod.
	let loads = [400, 400, 400, 0];
	let status: RebalanceStatus | undefined = { active: true, movedConnections: 0 };
	let rounds = 0;
	for (; status?.active && rounds < 50; rounds++) {
		const result = decide(
			loads.map((load, index) => pod(String(index), load)),
			{ ...status, lastRoundAt: '2026-01-01T00:00:00Z' },
		);
		status = result.status;
		const closed = loads.map((_, index) => result.closes[String(index)] ?? 0);
		const sum = closed.reduce((all, each) => all + each, 0);
		assert.ok(sum <= 120, 'the budget of a minute');
		loads = loads.map((load, index) => load - (closed[index] ?? 0) + sum / loads.length);
	}
	assert.ok(Math.max(...loads) <= 1.3 * 300, `${loads.join()} after ${rounds} rounds`);
	assert.ok(rounds < 10, `${rounds} rounds`);
});
