import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseHeapMb, chooseWorkers, heapFlags, readCgroupLimits, readOpenFilesLimit } from '../../../src/primary/resources.ts';

const MIB = 1_048_576;
const NO_LIMITS = { cpus: undefined, memoryBytes: undefined };

function limitsOf(files: Readonly<Record<string, string>>) {
	return readCgroupLimits((path) => files[path]);
}

test('limits are read from cgroup v2, then from v1; "no limit" of either is none', () => {
	const v2 = (cpu: string, memory: string) => limitsOf({ '/sys/fs/cgroup/cpu.max': cpu, '/sys/fs/cgroup/memory.max': memory });
	assert.deepEqual(v2('150000 100000\n', '536870912\n'), { cpus: 1.5, memoryBytes: 512 * MIB });
	assert.deepEqual(v2('max 100000\n', 'max\n'), NO_LIMITS);
	assert.deepEqual(v2('', ''), NO_LIMITS);
	const v1 = (quota: string, memory: string) =>
		limitsOf({
			'/sys/fs/cgroup/cpu/cpu.cfs_quota_us': quota,
			'/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
			'/sys/fs/cgroup/memory/memory.limit_in_bytes': memory,
		});
	assert.deepEqual(v1('250000\n', '1073741824\n'), { cpus: 2.5, memoryBytes: 1024 * MIB });
	assert.deepEqual(v1('-1\n', '9223372036854771712\n'), NO_LIMITS);
	assert.deepEqual(limitsOf({}), NO_LIMITS);
});

test('as many workers as whole CPUs of the quota, never none, never more than the machine has', () => {
	const auto = (cpus: number | undefined, parallelism: number) => chooseWorkers('auto', { ...NO_LIMITS, cpus }, parallelism);
	assert.deepEqual([auto(0.2, 8), auto(1.4, 8), auto(1.5, 8), auto(4, 8), auto(16, 8)], [1, 1, 2, 4, 8]);
	assert.deepEqual([auto(undefined, 6), auto(undefined, 256)], [6, 64]);
	assert.equal(chooseWorkers(3, { ...NO_LIMITS, cpus: 1 }, 1), 3, 'what was asked for is done');
});

test('the heap is a share of what the primary leaves, with a floor; what was asked for is done', () => {
	const heap = (limitMb: number, workers: number) => chooseHeapMb(0, { cpus: undefined, memoryBytes: limitMb * MIB }, workers);
	assert.equal(heap(1096, 2), 350);
	assert.equal(heap(128, 4), 64);
	assert.equal(chooseHeapMb(0, NO_LIMITS, 2), undefined);
	assert.equal(chooseHeapMb(200, { cpus: undefined, memoryBytes: 4096 * MIB }, 2), 200);
});

test('the limit of open files is the soft one', () => {
	const of = (text: string | undefined) => readOpenFilesLimit(() => text);
	assert.equal(
		of('Max processes  7  7  processes\nMax open files            1024                 1048576              files     \n'),
		1024,
	);
	assert.equal(of('Max open files  unlimited  unlimited  files\n'), undefined);
	assert.equal(of(undefined), undefined);
});

test('flags of a worker: a young generation that a burst of messages fits into, smaller in a small heap, or as NODE_OPTIONS say', () => {
	assert.deepEqual(heapFlags(undefined), ['--min-semi-space-size=16']);
	assert.deepEqual(heapFlags(2000), ['--max-old-space-size=2000', '--min-semi-space-size=16']);
	assert.deepEqual(heapFlags(64), ['--max-old-space-size=64', '--min-semi-space-size=4']);
	assert.deepEqual(heapFlags(64, '--max-semi-space-size=2'), ['--max-old-space-size=64']);
});
