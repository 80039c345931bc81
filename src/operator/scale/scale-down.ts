/**
 * How many pods there may be now, and which pod drains so that it can go. Pure. One pod at a time: its clients come back before the next
 * one lets go. Nothing is remembered between calls but what stands on the pods themselves.
 */
import type { FleetPod } from '../../fleet/pods.ts';
import { chooseVictim, type DrainState, judgeDrain } from './drain.ts';

export interface ScaleInput {
	readonly wanted: number;
	/** Of the Deployment; undefined when there is none yet. */
	readonly current: number | undefined;
	readonly pods: readonly FleetPod[];
	/** Load balancers notice within this. */
	readonly delayMs: number;
	readonly nowMs: number;
}

export interface ScaleDecision {
	/** What the Deployment may have now. */
	readonly replicas: number;
	/** The pod that goes next: marked, and out of service. */
	readonly victim?: FleetPod;
	/** Marked pods that may stay after all. */
	readonly pardoned: readonly FleetPod[];
	readonly state: 'steady' | 'growing' | 'waiting' | DrainState;
}

export function decideScale({ wanted, current, pods, delayMs, nowMs }: ScaleInput): ScaleDecision {
	const live = pods.filter(({ terminating }) => !terminating);
	const marked = live.filter(({ drainingSinceMs }) => drainingSinceMs !== undefined);
	if (current === undefined || wanted >= current) {
		// With more pods than there are to be, the marked one is on its way out: taking the mark back might send another in its place.
		const pardoned = live.length > (current ?? wanted) ? [] : marked;
		return { replicas: wanted, pardoned, state: wanted === current || current === undefined ? 'steady' : 'growing' };
	}
	if (live.length < current) {
		// Pods that do not exist need no drain.
		return { replicas: Math.max(wanted, live.length), pardoned: [], state: 'waiting' };
	}
	const victim = chooseVictim(live);
	if (live.length > current || victim === undefined) {
		// The pod before is not gone yet: to lower now would remove a pod that nobody chose.
		return { replicas: current, pardoned: [], state: 'waiting' };
	}
	const state = judgeDrain(victim, delayMs, nowMs);
	return { replicas: state === 'draining' ? current : current - 1, victim, pardoned: marked.filter((pod) => pod !== victim), state };
}
