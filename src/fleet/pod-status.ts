/** What a pod says of itself on `/status` and `/status/stream`, as far as others read it, and the rates between two such answers. Pure. */
import { type LoadCounters, type Rates, ratesBetween, sumRates } from '../metrics/load.ts';

export interface PodStatus {
	readonly version: string;
	/** Its id, as in session ids. */
	readonly pod: string;
	readonly fleet: string;
	/** Ids of the pods that its workers know, itself among them. */
	readonly pods: readonly string[];
	readonly ready: boolean;
	readonly draining: boolean;
	/** Out of service on request. */
	readonly cordoned: boolean;
	/** Sentences: why it is not ready, or what is degraded although it is. */
	readonly reasons: readonly string[];
	readonly connections: number;
	readonly tunnels: number;
	readonly limits: PodLimits;
	readonly workers: readonly WorkerRow[];
	/** The options in force, secrets hidden. */
	readonly config: Readonly<Record<string, unknown>>;
}

/** Null where there is no limit. */
export interface PodLimits {
	readonly cpuQuota: number | null;
	readonly memoryBytes: number | null;
	readonly workerHeapMb: number | null;
	/** Of one process; null when it is not known. */
	readonly openFiles: number | null;
}

/** A worker that did not answer has its slot, state and failures only. */
export interface WorkerRow {
	readonly slot: number;
	readonly state: string;
	readonly failures: number;
	readonly pid?: number;
	readonly sessions?: number;
	readonly rssBytes?: number;
	readonly heapBytes?: number;
	readonly uptimeSeconds?: number;
	/** Since the worker started. */
	readonly counters?: LoadCounters;
	readonly eventLoop?: { readonly activeMs: number; readonly idleMs: number };
}

/** An answer, and when it came, in milliseconds of any steady clock. */
export interface Reading {
	readonly status: PodStatus;
	readonly atMs: number;
}

export interface WorkerRates extends Rates {
	/** Share of the time in which the event loop was busy, 0 to 1. */
	readonly busy: number;
}

export interface PodRates extends Rates {
	/** The mean of the workers. */
	readonly busy: number;
	readonly busiest: number;
}

/** By slot. A worker that was not there before, or did not answer, has none: its totals started anew. */
export function workerRates(before: Reading, now: Reading): ReadonlyMap<number, WorkerRates> {
	const seconds = (now.atMs - before.atMs) / 1000;
	const earlier = new Map(before.status.workers.map((worker) => [worker.pid, worker]));
	const rates = new Map<number, WorkerRates>();
	for (const worker of now.status.workers) {
		const rate = ratesOf(worker, earlier.get(worker.pid), seconds);
		if (rate) {
			rates.set(worker.slot, rate);
		}
	}
	return rates;
}

function ratesOf({ counters, eventLoop }: WorkerRow, before: WorkerRow | undefined, seconds: number): WorkerRates | undefined {
	if (!counters || !eventLoop || !before?.counters || !before.eventLoop || seconds <= 0) {
		return undefined;
	}
	const active = eventLoop.activeMs - before.eventLoop.activeMs;
	const idle = eventLoop.idleMs - before.eventLoop.idleMs;
	return {
		...ratesBetween(before.counters, counters, seconds),
		busy: active + idle > 0 ? active / (active + idle) : 0,
	};
}

/** Undefined when no worker has any. */
export function podRates(before: Reading, now: Reading): PodRates | undefined {
	const rates = [...workerRates(before, now).values()];
	if (rates.length === 0) {
		return undefined;
	}
	const busy = rates.map((rate) => rate.busy);
	return { ...sumRates(rates), busy: busy.reduce((sum, each) => sum + each, 0) / busy.length, busiest: Math.max(...busy) };
}

/** One word for the state of a pod. */
export function stateOf({
	ready,
	draining,
	cordoned,
	reasons,
}: PodStatus): 'draining' | 'out of service' | 'not ready' | 'degraded' | 'ready' {
	if (draining) {
		return 'draining';
	}
	if (cordoned) {
		return 'out of service';
	}
	if (!ready) {
		return 'not ready';
	}
	return reasons.length > 0 ? 'degraded' : 'ready';
}
