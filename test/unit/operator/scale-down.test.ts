import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseVictim } from '../../../src/operator/scale/drain.ts';
import { decideScale, type ScaleInput } from '../../../src/operator/scale/scale-down.ts';
import { pod } from '../../support/fleet-fixtures.ts';

const NOW = 1_000_000;
const base = { delayMs: 5000, nowMs: NOW };

interface Case {
	readonly name: string;
	readonly input: Pick<ScaleInput, 'wanted' | 'current' | 'pods'>;
	/** replicas, state, victim, pardoned */
	readonly expected: readonly [number, string, string | undefined, readonly string[]];
}

const CASES: readonly Case[] = [
	{ name: 'a new fleet starts at its size', input: { wanted: 3, current: undefined, pods: [] }, expected: [3, 'steady', undefined, []] },
	{
		name: 'growing needs no drain',
		input: { wanted: 5, current: 3, pods: [pod('a'), pod('b'), pod('c')] },
		expected: [5, 'growing', undefined, []],
	},
	{
		name: 'shrinking: the emptiest pod is chosen, replicas stay',
		input: { wanted: 1, current: 3, pods: [pod('a', 50), pod('b', 10), pod('c', 70)] },
		expected: [3, 'draining', 'b', []],
	},
	{
		name: 'it drains as long as it has connections',
		input: { wanted: 1, current: 2, pods: [pod('a', 50), pod('b', 10, { drainingSinceMs: NOW - 9000 })] },
		expected: [2, 'draining', 'b', []],
	},
	{
		name: 'empty too early may fill again: load balancers still send',
		input: { wanted: 1, current: 2, pods: [pod('a', 50), pod('b', 0, { drainingSinceMs: NOW - 4999 })] },
		expected: [2, 'draining', 'b', []],
	},
	{
		name: 'empty: one less, and no more than one',
		input: { wanted: 0, current: 2, pods: [pod('a', 50), pod('b', 0, { drainingSinceMs: NOW - 5000 })] },
		expected: [1, 'drained', 'b', []],
	},
	{
		name: 'out of time: it goes all the same, and that is said',
		input: { wanted: 1, current: 2, pods: [pod('a', 50), pod('b', 3, { drainingSinceMs: NOW - 30_001 })] },
		expected: [1, 'overdue', 'b', []],
	},
	{
		name: 'ready and silent: not taken for empty',
		input: { wanted: 1, current: 2, pods: [pod('a', 50), pod('b', 'silent', { drainingSinceMs: NOW - 20_000 })] },
		expected: [2, 'draining', 'b', []],
	},
	{
		name: 'the pod before is not gone yet: nothing more is lowered, though the next would be empty',
		input: { wanted: 0, current: 1, pods: [pod('a', 0, { drainingSinceMs: NOW - 9000 }), pod('b', 0, { drainingSinceMs: NOW - 9000 })] },
		expected: [1, 'waiting', undefined, []],
	},
	{
		name: 'terminating pods do not count',
		input: { wanted: 1, current: 2, pods: [pod('a', 5), pod('b', 9), pod('c', 0, { terminating: true, drainingSinceMs: 1 })] },
		expected: [2, 'draining', 'a', []],
	},
	{
		name: 'a roll-out with a surge waits',
		input: { wanted: 1, current: 2, pods: [pod('a'), pod('b'), pod('c')] },
		expected: [2, 'waiting', undefined, []],
	},
	{
		name: 'pods that never came need no drain',
		input: { wanted: 2, current: 5, pods: [pod('a'), pod('b'), pod('c')] },
		expected: [3, 'waiting', undefined, []],
	},
	{
		name: 'wanted again: the one that drains stays',
		input: { wanted: 2, current: 2, pods: [pod('a'), pod('b', 3, { drainingSinceMs: NOW - 9000 })] },
		expected: [2, 'steady', undefined, ['b']],
	},
	{
		name: 'lowered, and the pod is still there: it keeps its mark, or another would go',
		input: { wanted: 1, current: 1, pods: [pod('a'), pod('b', 0, { drainingSinceMs: NOW - 9000 })] },
		expected: [1, 'steady', undefined, []],
	},
	{
		name: 'two marked by a race: the first goes, the other stays',
		input: { wanted: 1, current: 2, pods: [pod('a', 1, { drainingSinceMs: NOW - 1 }), pod('b', 3, { drainingSinceMs: NOW - 9000 })] },
		expected: [2, 'draining', 'b', ['a']],
	},
];

for (const { name, input, expected } of CASES) {
	test(name, () => {
		const { replicas, state, victim, pardoned } = decideScale({ ...base, ...input });
		assert.deepEqual([replicas, state, victim?.name, pardoned.map((each) => each.name)], expected);
	});
}

test('victims: not ready first, then the fewest connections, then the youngest; a silent pod last', () => {
	const pods = [
		pod('silent', 'silent'),
		pod('old', 5, { createdMs: 1 }),
		pod('young', 5, { createdMs: 2 }),
		pod('full', 100),
		pod('broken', 'silent', { ready: false }),
	];
	const order: (string | undefined)[] = [];
	for (let left = pods; left.length > 0; left = left.filter(({ name }) => name !== order.at(-1))) {
		order.push(chooseVictim(left)?.name);
	}
	assert.deepEqual(order, ['broken', 'young', 'old', 'full', 'silent']);
});
