import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SequenceTracker } from '../../../src/adapter/sequence-tracker.ts';

test('sequences: a repetition is a duplicate, a hole is a loss, a first number is neither', () => {
	const tracker = new SequenceTracker();
	const check = (sequence: number, publisher = 'p'): string => tracker.check({ publisher, sequence });
	assert.deepEqual(
		[check(5), check(6), check(6), check(5), check(9), check(10), check(1, 'q')],
		['next', 'next', 'duplicate', 'duplicate', 'gap', 'next', 'next'],
	);
});

test('a hole each part of which is explained is no loss', () => {
	const tracker = new SequenceTracker();
	const check = (sequence: number): string => tracker.check({ publisher: 'p', sequence }, (missing) => missing.sequence < 5);
	assert.deepEqual([check(1), check(4), check(6)], ['next', 'explained', 'gap']);
});

test('what was seen is known up to the last of each publisher', () => {
	const tracker = new SequenceTracker();
	tracker.check({ publisher: 'p', sequence: 5 });
	assert.deepEqual(
		[4, 5, 6].map((sequence) => tracker.hasSeen({ publisher: 'p', sequence })),
		[true, true, false],
	);
	assert.equal(tracker.hasSeen({ publisher: 'q', sequence: 1 }), false);
	tracker.clear();
	assert.equal(tracker.hasSeen({ publisher: 'p', sequence: 5 }), false);
});
