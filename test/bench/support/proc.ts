/** CPU and memory of process trees, from /proc (Linux only). CPU is counted there in steps of 10 ms. */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ is 100 on every architecture that Linux supports with Node. See proc_pid_stat(5). */
const MS_PER_TICK = 10;
const KIB_PER_MIB = 1024;

export interface ProcessStat {
	readonly parent: number;
	/** User and system time of all threads, children not included. */
	readonly cpuMs: number;
}

/** The name in parentheses may hold spaces and parentheses, hence counting fields from the last one. */
export function parseStat(text: string): ProcessStat {
	const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
	return { parent: Number(fields[1]), cpuMs: (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK };
}

function readStat(pid: number): ProcessStat | undefined {
	try {
		return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
	} catch {
		return undefined; // ended since it was listed
	}
}

/** The process and all its descendants, in ascending order. */
export function treeOf(root: number): number[] {
	const children = new Map<number, number[]>();
	for (const name of readdirSync('/proc')) {
		const stat = /^\d+$/.test(name) ? readStat(Number(name)) : undefined;
		if (stat) {
			children.set(stat.parent, [...(children.get(stat.parent) ?? []), Number(name)]);
		}
	}
	const tree = [root];
	for (const pid of tree) {
		tree.push(...(children.get(pid) ?? []));
	}
	return tree.sort((a, b) => a - b);
}

/** CPU of these processes so far. Throws when one of them is gone: its time would be missing. */
export function cpuMsOf(pids: readonly number[]): number {
	return pids.reduce((sum, pid) => {
		const stat = readStat(pid);
		if (!stat) {
			throw new Error(`process ${pid} of the server ended during the measurement`);
		}
		return sum + stat.cpuMs;
	}, 0);
}

/**
 * The same to the nanosecond, from the scheduler's own account, for differences of a few percent; in ms. Threads that have ended are not in it:
 * those of Node live as long as their process. See https://docs.kernel.org/scheduler/sched-stats.html
 */
export function preciseCpuMsOf(pids: readonly number[]): number {
	const threads = pids.flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}/schedstat`));
	return threads.reduce((sum, path) => sum + Number(readFileSync(path, 'utf8').split(' ')[0]) / 1e6, 0);
}

export interface CpuUse {
	readonly cpuMs: number;
	readonly wallMs: number;
}

/** What the trees of `roots` use while `work` runs. */
export async function measureCpu(roots: readonly number[], work: () => Promise<unknown>): Promise<CpuUse> {
	const pids = roots.flatMap(treeOf);
	const cpuBefore = cpuMsOf(pids);
	const startedAt = performance.now();
	await work();
	return { cpuMs: cpuMsOf(pids) - cpuBefore, wallMs: performance.now() - startedAt };
}

export interface MemoryUse {
	readonly anonymousMiB: number;
	readonly pssMiB: number;
	readonly rssMiB: number;
}

/** Sum over the tree of `root`. */
export function readMemory(root: number): MemoryUse {
	const sum = { Anonymous: 0, Pss: 0, Rss: 0 };
	for (const pid of treeOf(root)) {
		const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
		for (const key of ['Anonymous', 'Pss', 'Rss'] as const) {
			sum[key] += Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
		}
	}
	return { anonymousMiB: sum.Anonymous / KIB_PER_MIB, pssMiB: sum.Pss / KIB_PER_MIB, rssMiB: sum.Rss / KIB_PER_MIB };
}
