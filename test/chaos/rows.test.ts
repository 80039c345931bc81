/** The table of failures in docs/concepts/delivery.md: each of its 20 rows has a test where the table says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROWS = 20;
const ROOT = new URL('../../', import.meta.url);

const textOf = (path: string): string => readFileSync(fileURLToPath(new URL(path, ROOT)), 'utf8');

interface TableRow {
	readonly number: number;
	/** Test files, below test/. */
	readonly files: readonly string[];
}

function readTable(): TableRow[] {
	const [, section = ''] = textOf('docs/concepts/delivery.md').split('## The table of failures');
	return [...section.matchAll(/^\| (\d+) \|.*\|([^|]*)\|$/gm)].map(([, number, cell = '']) => ({
		number: Number(number),
		files: [...cell.matchAll(/`([\w/-]+)`/g)].map(([, file = '']) => file),
	}));
}

test('each of the 20 rows has a test where the table says, and each test of a row is in the table', () => {
	const table = readTable();
	assert.deepEqual(
		table.map(({ number }) => number),
		Array.from({ length: ROWS }, (_, i) => i + 1),
	);
	for (const { number, files } of table) {
		assert.ok(files.length > 0, `row ${number} names no file`);
		for (const file of files) {
			assert.match(textOf(`test/${file}.test.ts`), new RegExp(`number: ${number},|'row ${number}:`), `row ${number} in ${file}`);
		}
	}
	for (const file of ['chaos/rows-stream', 'chaos/rows-recovery', 'chaos/rows-outage']) {
		for (const [, number] of textOf(`test/${file}.test.ts`).matchAll(/^\tnumber: (\d+),$/gm)) {
			assert.ok(table[Number(number) - 1]?.files.includes(file), `row ${number} of ${file} is not in the table`);
		}
	}
});
