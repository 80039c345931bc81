import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderBenchmarks } from '../../../scripts/benchmarks-doc.ts';
import { PROGRAM_NAMES, specOf } from '../../bench/catalog.ts';
import { parseStat } from '../../bench/support/proc.ts';
import { type BenchRecord, cellOf, isReached, mergeRecord } from '../../bench/support/record.ts';
import { percentile } from '../../bench/support/stats.ts';

const ENVIRONMENT = {
	commit: '0123456789ab',
	node: 'v24.0.0',
	redis: '7.0.15',
	packages: { ws: '8.23.0' },
	cores: 2,
	cpu: 'a CPU',
	memoryGiB: 4,
	kernel: '6.1',
	loadBefore: 0.25,
};

function recordOf(mode: 'full' | 'quick', ...ratios: number[]): BenchRecord {
	return {
		program: 'accept',
		mode,
		startedAt: '2026-01-02T03:04:05.000Z',
		seconds: 6,
		environment: ENVIRONMENT,
		repetitions: ratios.map((ratio) => [{ subject: 'kernel, 2 workers', values: { ratio, hung: 0 } }]),
	};
}

test('the CPU time of a process whose name holds spaces and parentheses', () => {
	const fields = ['S', 7, ...Array.from({ length: 9 }, () => 0), 120, 30, 5000, 6000];
	assert.deepEqual(parseStat(`42 (a) (b c) ${fields.join(' ')}`), { parent: 7, cpuMs: 1500 });
});

test('a percentile is a value of the list', () => {
	const values = Array.from({ length: 100 }, (_, index) => 100 - index);
	assert.deepEqual(
		[0, 0.5, 0.99, 1].map((share) => percentile(values, share)),
		[1, 51, 100, 100],
	);
	assert.equal(percentile([], 0.5), 0);
});

test('a target is reached when every repetition reaches it', () => {
	const atMost = { subject: 'kernel, 2 workers', column: 'ratio', is: 'at most', value: 1.2 } as const;
	assert.equal(isReached(recordOf('full', 1.2, 1.1), atMost), true);
	assert.equal(isReached(recordOf('full', 1.1, 1.2001), atMost), false);
	assert.equal(isReached(recordOf('full', 1.1, 1.2), { ...atMost, is: 'at least' }), false);
	assert.equal(isReached(recordOf('full', 1.1), { ...atMost, subject: 'somebody else' }), undefined);
});

test('a quick record never replaces a full one', () => {
	const full = recordOf('full', 1);
	const quick = recordOf('quick', 2);
	assert.equal(mergeRecord({ accept: full }, quick).accept, full);
	assert.equal(mergeRecord({ accept: quick }, full).accept, full);
	assert.equal(mergeRecord({ accept: quick }, quick).accept, quick);
});

test('the page has a section for every benchmark, and says what was not measured', () => {
	const page = renderBenchmarks({});
	for (const name of PROGRAM_NAMES) {
		assert.ok(page.includes(`## ${specOf(name).title}\n`), name);
	}
	assert.equal(page.split('\nNot measured on this commit.\n').length - 1, PROGRAM_NAMES.length);
	assert.ok(!page.includes('| yes |'));
});

test('the page shows figures of all repetitions, missed targets as missed, and quick runs as such', () => {
	const page = renderBenchmarks({ accept: recordOf('quick', 1.1, 1.23456) });
	assert.match(page, /kernel, 2 workers: against plain at most 1.2 \| 1.1 \/ 1.23 \(quick run\) \| \*\*no\*\* \|/);
	assert.match(page, /kernel, 2 workers: hung at most 0 \| 0 \/ 0 \(quick run\) \| yes \|/);
	assert.match(page, /Quick run: .*commit `0123456789ab`\. 2 cores of a CPU, 4 GiB.*Node 24\.0\.0, Redis 7\.0\.15, ws 8\.23\.0\./);
});

test('every target is about a column of its benchmark', () => {
	for (const name of PROGRAM_NAMES) {
		const { columns, targets } = specOf(name);
		for (const { column } of targets) {
			assert.ok(
				columns.some(({ key }) => key === column),
				`${name}: ${column}`,
			);
		}
	}
	assert.deepEqual(cellOf(recordOf('full', 1, 2), 'kernel, 2 workers', 'ratio'), [1, 2]);
});
