/**
 * How many pods there may be now, and which pod drains so that it can go. Pure. One pod at a time: its clients come back before the next
 * one lets go. Nothing is remembered between calls but what stands on the pods themselves.
 */
import type { FleetPod } from '../../fleet/pods.ts';

export interface ScaleInput {
	readonly wanted: number;
	/** Of the Deployment; undefined when there is none yet. */
	readonly current: number | undefined;
	readonly pods: readonly FleetPod[];
	/** Load balancers notice within this. */
	readonly delayMs: number;
	/** All of a drain. */
	readonly drainMs: number;
	readonly nowMs: number;
}

export interface ScaleDecision {
	/** What the Deployment may have now. */
	readonly replicas: number;
	/** The pod that goes next: marked, and out of service. */
	readonly victim?: FleetPod;
	/** Marked pods that may stay after all. */
	readonly pardoned: readonly FleetPod[];
	readonly state: 'steady' | 'growing' | 'waiting' | 'draining' | 'drained' | 'overdue';
}

export function decideScale(input: ScaleInput): ScaleDecision {
	const { wanted, current, pods } = input;
	const live = pods.filter(({ terminating }) => !terminating);
	const marked = live.filter(({ drainingSinceMs }) => drainingSinceMs !== undefined);
	if (current === undefined || wanted >= current) {
		return { replicas: wanted, pardoned: marked, state: wanted === current || current === undefined ? 'steady' : 'growing' };
	}
	if (live.length < current) {
		// Pods that do not exist need no drain.
		return { replicas: Math.max(wanted, live.length), pardoned: [], state: 'waiting' };
	}
	if (live.length > current) {
		// A roll-out is under way, or the pod before is not gone yet: to lower now would remove a pod that nobody chose.
		return { replicas: current, pardoned: [], state: 'waiting' };
	}
	const [victim, ...others] = [...marked].sort(byDrainStart).concat(chooseVictim(live.filter((pod) => !marked.includes(pod))) ?? []);
	const pardoned = others.filter((pod) => marked.includes(pod));
	return victim === undefined ? { replicas: current, pardoned, state: 'waiting' } : judge(victim, pardoned, current, input);
}

/** The pod whose removal moves the fewest clients. */
export function chooseVictim(pods: readonly FleetPod[]): FleetPod | undefined {
	const rank = ({ ready, readings }: FleetPod): number => (ready ? (readings?.connections ?? Number.MAX_SAFE_INTEGER) : -1);
	return [...pods].sort((a, b) => rank(a) - rank(b) || b.createdMs - a.createdMs || (a.name < b.name ? -1 : 1))[0];
}

function judge(victim: FleetPod, pardoned: readonly FleetPod[], current: number, input: ScaleInput): ScaleDecision {
	const { delayMs, drainMs, nowMs } = input;
	const { drainingSinceMs, ready, readings } = victim;
	if (drainingSinceMs === undefined) {
		return { replicas: current, victim, pardoned, state: 'draining' };
	}
	const drainedMs = nowMs - drainingSinceMs;
	// Without an answer and not ready there is nobody on it that could be spared.
	const empty = readings === undefined ? !ready : readings.connections === 0 && drainedMs >= delayMs;
	if (empty) {
		return { replicas: current - 1, victim, pardoned, state: 'drained' };
	}
	return drainedMs > drainMs
		? { replicas: current - 1, victim, pardoned, state: 'overdue' }
		: { replicas: current, victim, pardoned, state: 'draining' };
}

function byDrainStart(a: FleetPod, b: FleetPod): number {
	return (a.drainingSinceMs ?? 0) - (b.drainingSinceMs ?? 0) || (a.name < b.name ? -1 : 1);
}
