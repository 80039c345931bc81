/** What is to be done about a fleet now, from what is wanted and what is seen. Pure; the reconciler carries it out. */

import type { FleetPod } from '../fleet/pods.ts';
import { decideRebalance, type RebalanceDecision } from '../fleet/rebalance.ts';
import type { EventInput } from '../kube/events.ts';
import { type KubeObject, pick } from '../kube/object.ts';
import type { SocketFleet } from './api/fleet.ts';
import type { DeploymentSteering } from './desired/deployment.ts';
import { drainSeconds } from './desired/names.ts';
import { judgeRollout, type RolloutState } from './scale/rollout.ts';
import { decideScale, type ScaleDecision } from './scale/scale-down.ts';

export interface PlanInput {
	readonly fleet: SocketFleet;
	readonly deployment: KubeObject | undefined;
	readonly pods: readonly FleetPod[];
	readonly nowMs: number;
}

export interface Plan {
	readonly steering: DeploymentSteering;
	readonly scale: ScaleDecision;
	readonly rollout: RolloutState;
	readonly rebalance: RebalanceDecision;
	readonly events: readonly EventInput[];
	/** When to look again without being told of a change. */
	readonly againMs: number | undefined;
}

/** While something drains. */
const SOON_MS = 1000;
/** Metrics of the pods are read this often. */
export const OBSERVE_MS = 10_000;

export function buildPlan({ fleet, deployment, pods, nowMs }: PlanInput): Plan {
	const { spec } = fleet;
	const current = pick(deployment, 'spec', 'replicas');
	const scale = decideScale({
		wanted: spec.replicas,
		current: typeof current === 'number' ? current : undefined,
		pods,
		delayMs: spec.drain.delaySeconds * 1000,
		drainMs: drainSeconds(spec) * 1000,
		nowMs,
	});
	const rollout = judgeRollout(deployment, pods, { paced: spec.rollout.paced, nowMs });
	const busy = rollout.underWay || scale.state !== 'steady' || pods.some(({ terminating }) => terminating);
	const rebalance = decideRebalance({ spec: spec.rebalance, pods, before: fleet.status?.rebalance, busy, nowMs });
	return {
		steering: { replicas: scale.replicas, paused: rollout.paused },
		scale,
		rollout,
		rebalance,
		events: [
			...scaleEvents(scale, spec.replicas),
			...rolloutEvents(rollout, deployment),
			...rebalanceEvents(rebalance, spec.rebalance.dryRun),
		],
		againMs: scale.victim || rollout.paused ? SOON_MS : pods.length > 0 ? OBSERVE_MS : undefined,
	};
}

function scaleEvents({ state, victim, pardoned, replicas }: ScaleDecision, wanted: number): EventInput[] {
	const kept = pardoned.map(
		({ name }): EventInput => ({ type: 'Normal', reason: 'DrainCancelled', message: `Pod ${name} stays: it is needed after all.` }),
	);
	if (!victim) {
		return kept;
	}
	const { name, readings, drainingSinceMs } = victim;
	const load = readings === undefined ? 'its connections are not known' : `${readings.connections} connections, the fewest`;
	switch (state) {
		case 'draining':
			return drainingSinceMs === undefined
				? [...kept, { type: 'Normal', reason: 'PodDraining', message: `Draining pod ${name} to scale down to ${wanted} (${load}).` }]
				: kept;
		case 'drained':
			return [...kept, { type: 'Normal', reason: 'PodDrained', message: `Pod ${name} is empty; replicas go down to ${replicas}.` }];
		case 'overdue': {
			const left = readings === undefined ? 'it does not answer' : `${readings.connections} connections are left and are cut`;
			const message = `The drain of pod ${name} did not end in time: ${left}; replicas go down to ${replicas}. Raise drain.spreadSeconds or drain.marginSeconds.`;
			return [...kept, { type: 'Warning', reason: 'DrainOverdue', message }];
		}
		default:
			return kept;
	}
}

function rolloutEvents({ paused, updated, total }: RolloutState, deployment: KubeObject | undefined): EventInput[] {
	if (!paused || pick(deployment, 'spec', 'paused') === true) {
		return [];
	}
	return [
		{
			type: 'Normal',
			reason: 'RolloutWaits',
			message: `${updated} of ${total} pods are new; the next waits until the one before has drained.`,
		},
	];
}

function rebalanceEvents({ closes }: RebalanceDecision, dryRun: boolean): EventInput[] {
	if (closes.length === 0) {
		return [];
	}
	const parts = closes.map(({ pod, count }) => `${count} of pod ${pod.name}`).join(', ');
	return [
		{
			type: 'Normal',
			reason: dryRun ? 'RebalanceDryRun' : 'Rebalance',
			message: `${dryRun ? 'Would move' : 'Moving'} connections: ${parts}.`,
		},
	];
}
