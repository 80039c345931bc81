import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Position } from '../../../src/adapter/position.ts';
import { STREAM_START } from '../../../src/stream/offset.ts';
import { at } from './fake-worker.ts';

test('the cursor moves forward only, and what was heard of is never behind it', () => {
	const position = new Position();
	assert.deepEqual([position.cursor, position.known, position.joinedAt], [undefined, STREAM_START, STREAM_START]);
	assert.deepEqual([position.advance(at(5)), position.advance(at(5)), position.advance(at(4))], [true, false, false]);
	assert.deepEqual([position.cursor, position.known], [at(5), at(5)]);
	position.hear(at(9));
	position.hear(at(7));
	assert.deepEqual([position.cursor, position.known], [at(5), at(9)]);
	position.advance(at(10));
	assert.equal(position.known, at(10));
});

test('what was heard of before the first answer of Redis is known without a cursor', () => {
	const position = new Position();
	position.hear(at(9));
	assert.deepEqual([position.cursor, position.known], [undefined, at(9)]);
	position.moveTo(at(3));
	assert.deepEqual([position.cursor, position.known], [at(3), at(3)]);
});

test('a room is joined behind all that is known, but behind the entry itself while one is dispatched', () => {
	const position = new Position();
	position.hear(at(9));
	position.advance(at(5));
	assert.equal(position.joinedAt, at(9));
	position.dispatch(() => assert.equal(position.joinedAt, at(5)));
	assert.equal(position.joinedAt, at(9));
	assert.throws(() =>
		position.dispatch(() => {
			throw new Error('a mistake');
		}),
	);
	assert.equal(position.joinedAt, at(9), 'nothing is dispatched any more');
});

test('a move goes back, too, and forgets what was seen of publishers', () => {
	const position = new Position();
	position.advance(at(9));
	position.hear(at(12));
	const mark = { publisher: 'p', sequence: 4 };
	position.sequences.check(mark);
	position.moveTo(at(3));
	assert.deepEqual([position.cursor, position.known, position.joinedAt], [at(3), at(3), at(3)]);
	assert.equal(position.sequences.hasSeen(mark), false);
	assert.equal(position.advance(at(4)), true);
});
