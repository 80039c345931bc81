/** Which pods should close how many connections, so that they spread again after a scale-up. Pure: time and the last round are handed in. */
import { toKubeTime } from '../kube/conditions.ts';
import type { FleetPod } from './pods.ts';

export interface RebalanceSettings {
	readonly enabled: boolean;
	/** Percent of the mean that the fullest pod must have for it to start. */
	readonly startAtPercent: number;
	readonly stopAtPercent: number;
	/** Of the fleet's connections. */
	readonly maxPercentPerMinute: number;
	/** Fleets with fewer are left alone. */
	readonly minConnections: number;
}

/** Of a SocketFleet that says nothing else, and of a chart's fleet. */
export const REBALANCE_DEFAULTS: RebalanceSettings = {
	enabled: false,
	startAtPercent: 125,
	stopAtPercent: 110,
	maxPercentPerMinute: 10,
	minConnections: 100,
};

export interface RebalanceStatus {
	/** Whether a rebalance goes on: it started above `startAtPercent` and has not come below `stopAtPercent`. */
	readonly active: boolean;
	/** When the last round was asked for. */
	readonly lastRoundAt?: string;
	/** Connections that rounds have closed so far, or would have with `dryRun`. */
	readonly movedConnections: number;
	/** The fullest pod in percent of the mean. */
	readonly fullestPercent?: number;
}

export interface RebalanceInput {
	readonly spec: RebalanceSettings;
	readonly pods: readonly FleetPod[];
	readonly before: RebalanceStatus | undefined;
	/** A roll-out or a drain moves connections anyway. */
	readonly busy: boolean;
	readonly nowMs: number;
}

export interface RebalanceDecision {
	/** What stands in the status; written before anything is closed, so that no round runs twice. */
	readonly status: RebalanceStatus | undefined;
	readonly closes: readonly { readonly pod: FleetPod; readonly count: number }[];
}

export const ROUND_MS = 60_000;

export function decideRebalance({ spec, pods, before, busy, nowMs }: RebalanceInput): RebalanceDecision {
	if (!spec.enabled) {
		return { status: undefined, closes: [] };
	}
	const status = { active: false, movedConnections: 0, ...before };
	const loads = pods.filter(({ ready, terminating, drainingSinceMs }) => ready && !terminating && drainingSinceMs === undefined);
	const total = loads.reduce((sum, { readings }) => sum + (readings?.connections ?? 0), 0);
	const blind = loads.length < 2 || loads.some(({ readings }) => readings === undefined);
	if (busy || blind || total < spec.minConnections) {
		return { status: { ...status, active: busy && status.active }, closes: [] };
	}
	const mean = total / loads.length;
	const fullestPercent = Math.round((100 * Math.max(...loads.map(connectionsOf))) / mean);
	const active = fullestPercent > (status.active ? spec.stopAtPercent : spec.startAtPercent);
	// A last round in the future was of a clock that was put back since.
	const roundIsDue = Math.abs(nowMs - Date.parse(status.lastRoundAt ?? '1970-01-01T00:00:00Z')) >= ROUND_MS;
	if (!active || !roundIsDue) {
		return { status: { ...status, active, fullestPercent }, closes: [] };
	}
	const closes = shareOut(loads, mean, Math.floor((total * spec.maxPercentPerMinute) / 100));
	const moved = closes.reduce((sum, { count }) => sum + count, 0);
	const lastRoundAt = toKubeTime(new Date(nowMs));
	return { status: { active, fullestPercent, lastRoundAt, movedConnections: status.movedConnections + moved }, closes };
}

/** What each pod has above the mean, all of them cut alike to the budget. */
function shareOut(loads: readonly FleetPod[], mean: number, budget: number): RebalanceDecision['closes'] {
	const excesses = loads.map((pod) => ({ pod, excess: Math.max(0, connectionsOf(pod) - mean) }));
	const sum = excesses.reduce((all, { excess }) => all + excess, 0);
	const cut = Math.min(1, budget / sum);
	return excesses.map(({ pod, excess }) => ({ pod, count: Math.floor(excess * cut) })).filter(({ count }) => count > 0);
}

function connectionsOf({ readings }: FleetPod): number {
	return readings?.connections ?? 0;
}
