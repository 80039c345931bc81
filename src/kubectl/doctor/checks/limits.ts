/** Whether what the container may use fits what runs in it. */
import { type Check, type ExaminedPod, findOnPods, stayingPods } from '../examination.ts';

const MIB = 1_048_576;
const FEW_FILES = 4096;
const FULL = 0.8;

export const checkLimits: Check = (examination) => {
	const pods = stayingPods(examination);
	return [
		...findOnPods(pods, 'memory-short', memoryShort, 'Raise resources.limits.memory, or lower config.workers or config.workerHeapMb.'),
		...findOnPods(
			pods,
			'memory-unlimited',
			memoryUnlimited,
			'Set resources.limits.memory: each worker then gets its share as the limit of its heap.',
		),
		...findOnPods(pods, 'cpu-unlimited', cpuUnlimited, 'Set resources.limits.cpu, or config.workers.'),
		...findOnPods(pods, 'cpu-short', cpuShort, 'Raise resources.limits.cpu, or leave config.workers at auto.'),
		...findOnPods(
			pods,
			'open-files',
			openFiles,
			'Raise the limit in the container runtime (LimitNOFILE of containerd), or run more workers or pods.',
		),
	];
};

function memoryShort({ status }: ExaminedPod): string | undefined {
	const { memoryBytes = null, workerHeapMb = null } = status?.limits ?? {};
	const workers = status?.workers.length ?? 0;
	if (memoryBytes === null || workerHeapMb === null || workers * workerHeapMb * MIB < memoryBytes) {
		return undefined;
	}
	return `${workers} workers with heaps of ${workerHeapMb} MiB in a memory limit of ${Math.round(memoryBytes / MIB)} MiB`;
}

function memoryUnlimited({ status }: ExaminedPod): string | undefined {
	return status?.limits.memoryBytes === null ? 'no memory limit' : undefined;
}

function cpuUnlimited({ status }: ExaminedPod): string | undefined {
	return status?.config.workers === 'auto' && status.limits.cpuQuota === null
		? `no CPU limit, and workers is auto: ${status.workers.length} workers`
		: undefined;
}

/** Half a CPU more or less is how `auto` rounds. */
function cpuShort({ status }: ExaminedPod): string | undefined {
	const { cpuQuota = null } = status?.limits ?? {};
	const workers = status?.workers.length ?? 0;
	return cpuQuota !== null && workers > Math.max(1, cpuQuota + 0.5) ? `${workers} workers on ${cpuQuota} CPUs` : undefined;
}

function openFiles({ status }: ExaminedPod): string | undefined {
	// A pod of an older version does not tell.
	const limit = status?.limits.openFiles ?? null;
	const busiest = Math.max(0, ...(status?.workers ?? []).map(({ sessions = 0 }) => sessions));
	return limit !== null && (limit < FEW_FILES || busiest > limit * FULL)
		? `a process may have ${limit} files and sockets open, the fullest worker has ${busiest} connections`
		: undefined;
}
