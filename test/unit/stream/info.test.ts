import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canBeTrimmed, isComplete, parseStreamInfo, trimmedCountOf } from '../../../src/stream/info.ts';
import { parseOffset, type StreamOffset } from '../../../src/stream/offset.ts';

const at = (text: string): StreamOffset => parseOffset(text) as StreamOffset;
const REPLY = [
	'length',
	3,
	'last-generated-id',
	'9-0',
	'max-deleted-entry-id',
	'0-0',
	'entries-added',
	5,
	'first-entry',
	['7-0', []],
	'last-entry',
	['9-0', []],
];

test('where a stream begins and ends, and how much of it is gone', () => {
	const info = parseStreamInfo(REPLY);
	assert.deepEqual(info, { last: '9-0', first: '7-0', length: 3, added: 5 });
	assert.equal(trimmedCountOf(info), 2);
	assert.equal(isComplete(info, at('6-0')), false);
	assert.equal(isComplete(info, at('7-0')), true);
});

test('a stream that was never trimmed is complete from any point', () => {
	assert.equal(isComplete(parseStreamInfo(REPLY.with(7, 3)), at('0-0')), true);
});

test('before Redis 7 nothing is said about trimming: only what is there can be promised', () => {
	const info = parseStreamInfo(REPLY.filter((_, i) => i !== 6 && i !== 7));
	assert.equal(trimmedCountOf(info), undefined);
	assert.equal(isComplete(info, at('6-0')), false);
	assert.equal(isComplete(info, at('8-0')), true);
});

test('an empty stream is complete for who has seen its last entry', () => {
	const info = parseStreamInfo(['length', 0, 'last-generated-id', '9-0', 'entries-added', 9, 'first-entry', null]);
	assert.equal(isComplete(info, at('8-0')), false);
	assert.equal(isComplete(info, at('9-0')), true);
});

test('an entry that is not there was trimmed, or belongs to another history', () => {
	const info = parseStreamInfo(REPLY);
	assert.equal(canBeTrimmed(info, at('6-0')), true);
	assert.equal(canBeTrimmed(info, at('6-0'), 2), true);
	assert.equal(canBeTrimmed(info, at('6-0'), 3), false, 'three were added up to it, and two have gone');
	assert.equal(canBeTrimmed(info, at('8-0')), false, 'older ones are there');
	const fresh = parseStreamInfo(REPLY.with(7, 3));
	assert.equal(canBeTrimmed(fresh, at('6-0')), false, 'nothing was ever trimmed');
	const empty = parseStreamInfo(['length', 0, 'last-generated-id', '9-0', 'entries-added', 9, 'first-entry', null]);
	assert.equal(canBeTrimmed(empty, at('9-0'), 9), true);
	const silent = parseStreamInfo(REPLY.filter((_, i) => i !== 6 && i !== 7));
	assert.equal(canBeTrimmed(silent, at('6-0'), 3), true, 'before Redis 7 nobody can tell');
});
