/** How many workers, and how much heap for each: from the cgroup's limits, since Node sees the host's. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

export interface CgroupLimits {
	/** CPUs as a fraction, from the quota; undefined without one. */
	readonly cpus: number | undefined;
	readonly memoryBytes: number | undefined;
}

type ReadText = (path: string) => string | undefined;

const MIB = 1_048_576;
/** What the primary itself needs, measured with its metrics and admin server. */
const PRIMARY_BYTES = 96 * MIB;
/** The rest of a worker's share is code, buffers and sockets outside the heap. */
const HEAP_SHARE = 0.7;
const MIN_HEAP_MB = 64;
/** As far as V8 lets it grow. */
const MAX_SEMI_SPACE_MB = 16;
/** A small heap keeps most of its share for what lives long: the young generation takes up to three semi-spaces beside it. */
const SEMI_SPACE_SHARE = 1 / 16;
/** cgroup v1 says "no limit" with a number near 2^63. */
const NO_LIMIT_BYTES = 2 ** 60;

/** Reads cgroup v2, then v1. `readText` gives undefined for a file that is not there. */
export function readCgroupLimits(readText: ReadText = readFileIfThere): CgroupLimits {
	return { cpus: cpusV2(readText) ?? cpusV1(readText), memoryBytes: memoryLimit(readText) };
}

/** `auto` is the quota rounded to whole CPUs, at least 1; without a quota what Node may run on. */
export function chooseWorkers(asked: 'auto' | number, limits: CgroupLimits, parallelism: number = availableParallelism()): number {
	if (asked !== 'auto') {
		return asked;
	}
	const cpus = Math.min(limits.cpus ?? parallelism, parallelism);
	return Math.min(64, Math.max(1, Math.round(cpus)));
}

/** Heap limit of one worker in MiB; undefined leaves Node's own default. */
export function chooseHeapMb(askedMb: number, limits: CgroupLimits, workers: number): number | undefined {
	if (askedMb > 0) {
		return askedMb;
	}
	if (limits.memoryBytes === undefined) {
		return undefined;
	}
	const share = (limits.memoryBytes - PRIMARY_BYTES) / workers;
	return Math.max(MIN_HEAP_MB, Math.floor((share * HEAP_SHARE) / MIB));
}

/**
 * Flags of V8 for one worker. What a message leaves behind dies young. V8 begins with semi-spaces of 1 MB, lets them grow only by what
 * survives, and so collects sixteen times as often as it need. That was 3 to 6 % of the CPU of a delivered message; it costs up to 28 MiB
 * (docs/operations/sizing.md).
 */
export function heapFlags(heapMb: number | undefined, nodeOptions = ''): readonly string[] {
	const semiSpaceMb = Math.min(MAX_SEMI_SPACE_MB, Math.ceil((heapMb ?? Number.POSITIVE_INFINITY) * SEMI_SPACE_SHARE));
	return [
		...(heapMb === undefined ? [] : [`--max-old-space-size=${heapMb}`]),
		...(nodeOptions.includes('semi-space-size') ? [] : [`--min-semi-space-size=${semiSpaceMb}`]),
	];
}

/**
 * How many files and sockets one process may have open; Node has raised its limit to the hard one, workers inherit it.
 * `Max open files            1024                 1048576              files`: soft, then hard.
 */
export function readOpenFilesLimit(readText: ReadText = readFileIfThere): number | undefined {
	const [, soft] = /^Max open files\s+(\d+)/m.exec(readText('/proc/self/limits') ?? '') ?? [];
	return soft === undefined ? undefined : Number(soft);
}

function cpusV2(readText: ReadText): number | undefined {
	const [quota, period] = (readText('/sys/fs/cgroup/cpu.max') ?? '').trim().split(' ').map(Number);
	return ratio(quota, period);
}

function cpusV1(readText: ReadText): number | undefined {
	const quota = Number(readText('/sys/fs/cgroup/cpu/cpu.cfs_quota_us') ?? Number.NaN);
	const period = Number(readText('/sys/fs/cgroup/cpu/cpu.cfs_period_us') ?? Number.NaN);
	return ratio(quota, period);
}

/** `max` and -1, which mean no quota, give undefined. */
function ratio(quota: number | undefined, period: number | undefined): number | undefined {
	if (quota === undefined || period === undefined || !(quota > 0) || !(period > 0)) {
		return undefined;
	}
	return quota / period;
}

function memoryLimit(readText: ReadText): number | undefined {
	const text = readText('/sys/fs/cgroup/memory.max') ?? readText('/sys/fs/cgroup/memory/memory.limit_in_bytes');
	const bytes = Number(text?.trim() || Number.NaN);
	return bytes > 0 && bytes < NO_LIMIT_BYTES ? bytes : undefined;
}

function readFileIfThere(path: string): string | undefined {
	try {
		return readFileSync(path, 'utf8');
	} catch {
		return undefined; // not this version of cgroups
	}
}
