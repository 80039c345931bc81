/** How a pod is emptied before it goes, for a scale-down and for a roll-out alike. Pure. */
import type { FleetPod } from '../../fleet/pods.ts';
import type { FleetSpec } from '../api/spec.ts';
import type { DrainPace } from '../pod-admin.ts';

export type DrainState = 'draining' | 'drained' | 'overdue';

type DrainSpec = Pick<FleetSpec, 'drain' | 'rollout'>;

export function drainPace({ drain, rollout }: DrainSpec): DrainPace {
	return { delayMs: drain.delaySeconds * 1000, spreadMs: drain.spreadSeconds * 1000, maxPerSecond: rollout.maxSessionsPerSecond };
}

/** How long a pod may take, with the connections that it has now. */
export function drainLimitMs(spec: DrainSpec, { readings }: FleetPod): number {
	const { delayMs, spreadMs, maxPerSecond } = drainPace(spec);
	const budgetMs = maxPerSecond === 0 ? 0 : (1000 * (readings?.connections ?? 0)) / maxPerSecond;
	return delayMs + Math.max(spreadMs, budgetMs) + spec.drain.marginSeconds * 1000;
}

export function judgeDrain({ drainingSinceMs, drainUntilMs, ready, readings }: FleetPod, delayMs: number, nowMs: number): DrainState {
	if (drainingSinceMs === undefined) {
		return 'draining';
	}
	// Without an answer and not ready there is nobody on it that could be spared. Empty too early may fill again: load balancers still send.
	const empty = readings === undefined ? !ready : readings.connections === 0 && nowMs - drainingSinceMs >= delayMs;
	return empty ? 'drained' : nowMs > drainUntilMs ? 'overdue' : 'draining';
}

/** The pod whose removal moves the fewest clients. One that drains already goes on, the one that began first. */
export function chooseVictim(pods: readonly FleetPod[]): FleetPod | undefined {
	const since = ({ drainingSinceMs }: FleetPod): number => drainingSinceMs ?? Number.MAX_SAFE_INTEGER;
	const load = ({ ready, readings }: FleetPod): number => (ready ? (readings?.connections ?? Number.MAX_SAFE_INTEGER) : -1);
	return [...pods].sort((a, b) => since(a) - since(b) || load(a) - load(b) || b.createdMs - a.createdMs || (a.name < b.name ? -1 : 1))[0];
}
