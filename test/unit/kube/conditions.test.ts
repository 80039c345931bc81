import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeConditions } from '../../../src/kube/conditions.ts';

test('the transition time moves with the status, not with the message', () => {
	const first = mergeConditions(
		[],
		[{ type: 'Ready', status: 'False', reason: 'A', message: 'one' }],
		1,
		new Date('2026-01-01T00:00:00.900Z'),
	);
	assert.equal(first[0]?.lastTransitionTime, '2026-01-01T00:00:00Z');
	const later = new Date('2026-01-01T01:00:00Z');
	const second = mergeConditions(first, [{ type: 'Ready', status: 'False', reason: 'B', message: 'two' }], 2, later);
	assert.deepEqual(second, [
		{ type: 'Ready', status: 'False', reason: 'B', message: 'two', observedGeneration: 2, lastTransitionTime: '2026-01-01T00:00:00Z' },
	]);
	const third = mergeConditions(second, [{ type: 'Ready', status: 'True', reason: 'B', message: 'two' }], 2, later);
	assert.equal(third[0]?.lastTransitionTime, '2026-01-01T01:00:00Z');
});
