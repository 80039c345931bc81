import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../../../src/base/errors.ts';
import { parseInterval } from '../../../src/terminal/flags.ts';
import { formatAge, formatCount, formatMebibytes, formatRate, formatShare } from '../../../src/terminal/format.ts';
import { createScreen } from '../../../src/terminal/screen.ts';
import { renderTable } from '../../../src/terminal/table.ts';

test('a table: columns as wide as needed, numbers to the right, nothing as a dash, no trailing blanks', () => {
	const text = renderTable(
		['POD', 'N', 'LOOP', 'NOTE'],
		[
			['a-long-name', 7, '9 %', 'x'],
			['b', 12_000, undefined, undefined],
			['c', '1,234', '100 %', ''],
		],
	);
	assert.equal(
		text,
		[
			'POD              N   LOOP  NOTE',
			'a-long-name      7    9 %  x',
			'b            12000      -  -',
			'c            1,234  100 %',
			'',
		].join('\n'),
	);
	assert.equal(renderTable(['POD', 'N'], []), 'POD  N\n');
	assert.equal(renderTable(['WORKER', 'ON'], [[0, 'yes']]), 'WORKER  ON\n0       yes\n', 'the first column stays to the left');
});

test('numbers as people read them', () => {
	assert.deepEqual([0, 12.4, 1234].map(formatCount), ['0', '12', '1,234']);
	assert.deepEqual([undefined, 0, 12.44, 99.96, 1234.4].map(formatRate), [undefined, '0/s', '12.4/s', '100.0/s', '1,234/s']);
	assert.deepEqual([undefined, 0.004, 0.996].map(formatShare), [undefined, '0 %', '100 %']);
	assert.deepEqual([undefined, 90_177_536].map(formatMebibytes), [undefined, '86 MiB']);
	assert.deepEqual([-5, 999, 59_000, 60_000, 7_200_000, 200_000_000].map(formatAge), ['0s', '0s', '59s', '1m', '2h', '2d']);
});

test('an interval is seconds within reason', () => {
	assert.equal(parseInterval('2'), 2000);
	assert.equal(parseInterval('0.5'), 500);
	for (const text of ['', '0', '-1', 'often', '1e9', 'NaN']) {
		assert.throws(
			() => parseInterval(text),
			(error) => error instanceof AppError && error.code === 'ERR_USAGE',
			text,
		);
	}
});

test('a terminal is repainted in place, cut to its size, and given back once', () => {
	const written: string[] = [];
	const screen = createScreen({ isTTY: true, columns: 4, rows: 2, write: (text) => written.push(text) });
	screen.close();
	assert.deepEqual(written, [], 'nothing was shown: nothing to give back');
	screen.show('abcdef\ng\nbelow\n');
	screen.show('h\n');
	screen.close();
	screen.close();
	assert.deepEqual(written, ['\x1b[?1049h\x1b[?25l\x1b[Habcd\x1b[K\r\ng\x1b[K\x1b[J', '\x1b[Hh\x1b[K\x1b[J', '\x1b[?25h\x1b[?1049l']);
});

test('anything else gets one block after the other', () => {
	const written: string[] = [];
	const screen = createScreen({ write: (text) => written.push(text) });
	screen.show('a\n');
	screen.show('b\n');
	screen.close();
	assert.deepEqual(written, ['a\n\n', 'b\n\n']);
});
