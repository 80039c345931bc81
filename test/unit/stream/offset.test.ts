import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	compareOffsets,
	isAfter,
	offsetBefore,
	parseOffset,
	STREAM_START,
	type StreamOffset,
	timeOfOffset,
} from '../../../src/stream/offset.ts';

const offset = (text: string): StreamOffset => {
	const parsed = parseOffset(text);
	assert.ok(parsed !== undefined, text);
	return parsed;
};

test('ids of entries are offsets, everything else is not', () => {
	for (const text of ['0-0', '1700000000000-0', '1700000000000-12345']) {
		assert.equal(parseOffset(text), text);
	}
	for (const value of [
		'',
		'$',
		'1-',
		'-1',
		'1-2-3',
		'1700000000000-0~',
		'1.5-0',
		' 1-1',
		'bob',
		5,
		null,
		undefined,
		['1-1'],
		`${'9'.repeat(20)}-1`,
	]) {
		assert.equal(parseOffset(value), undefined, String(value));
	}
});

test('offsets are ordered as two numbers, not as text', () => {
	const ascending = ['0-0', '9-0', '10-0', '10-2', '10-10', '11-1', '1700000000000-9', '1700000000000-10', '1700000000001-0'].map(offset);
	for (const [i, a] of ascending.entries()) {
		for (const [j, b] of ascending.entries()) {
			assert.equal(Math.sign(compareOffsets(a, b)), Math.sign(i - j), `${a} ${b}`);
			assert.equal(isAfter(a, b), i > j);
		}
	}
	assert.equal(compareOffsets(STREAM_START, offset('0-0')), 0);
	assert.equal(timeOfOffset(offset('1700000000000-7')), 1_700_000_000_000);
});

test('the place before an entry is after every older one', () => {
	assert.equal(offsetBefore(offset('5-3')), '5-2');
	for (const [older, entry] of [
		['4-999999', '5-0'],
		['9-0', '10-0'],
		['5-2', '5-3'],
	] as const) {
		const place = offset(offsetBefore(offset(entry)));
		assert.ok(isAfter(offset(entry), place) && !isAfter(offset(older), place));
	}
});
