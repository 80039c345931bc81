/** The status of a fleet, from what was seen and planned. Pure. */
import { VERSION } from '../config/version.ts';
import type { PodReadings } from '../fleet/readings.ts';
import { type Condition, mergeConditions } from '../kube/conditions.ts';
import { pickNumber, toSelector } from '../kube/object.ts';
import type { ConditionType, FleetStatus, SocketFleet } from './api/fleet.ts';
import { selectorLabels } from './desired/names.ts';
import type { Plan } from './plan.ts';
import {
	judgeAffinity,
	judgeDegraded,
	judgeProgressing,
	judgeReady,
	judgeRecovery,
	judgeRedis,
	type StatusInput,
	type Verdict,
} from './verdicts.ts';

export function buildStatus(input: StatusInput): FleetStatus {
	const { fleet, deployment, pods, plan, now } = input;
	const live = pods.filter(({ terminating }) => !terminating);
	const sum = (of: (readings: PodReadings) => number): number =>
		pods.reduce((all, { readings }) => all + (readings === undefined ? 0 : of(readings)), 0);
	const { tag, digest } = fleet.spec.image;
	const { name, namespace = '' } = fleet.metadata;
	return {
		observedGeneration: fleet.metadata.generation ?? 0,
		replicas: live.length,
		readyReplicas: live.filter(({ ready }) => ready).length,
		updatedReplicas: pickNumber(deployment, ['status', 'updatedReplicas']),
		selector: toSelector(selectorLabels({ name, namespace, spec: fleet.spec })),
		connections: sum(({ connections }) => connections),
		workers: sum(({ readyWorkers }) => readyWorkers),
		version: digest || tag || VERSION,
		...(plan?.scale.victim === undefined ? {} : { drainingPod: plan.scale.victim.name }),
		...rebalanceOf(fleet, plan),
		...rolloutOf(fleet, plan),
		conditions: buildConditions(input, fleet.status?.conditions ?? [], now),
	};
}

function rebalanceOf(fleet: SocketFleet, plan: Plan | undefined): Pick<FleetStatus, 'rebalance'> {
	const rebalance = plan === undefined ? fleet.status?.rebalance : plan.rebalance.status;
	return rebalance === undefined ? {} : { rebalance };
}

function rolloutOf(fleet: SocketFleet, plan: Plan | undefined): Pick<FleetStatus, 'rollout'> {
	const rollout = plan === undefined ? fleet.status?.rollout : plan.rollout.status;
	return rollout === undefined ? {} : { rollout };
}

function buildConditions(input: StatusInput, before: readonly Condition[], now: Date): readonly Condition[] {
	const verdicts: Readonly<Record<ConditionType, Verdict>> = {
		Ready: judgeReady(input),
		Progressing: judgeProgressing(input),
		Degraded: judgeDegraded(input),
		RedisReachable: judgeRedis(input),
		RecoveryWindowCovered: judgeRecovery(input),
		AffinityHealthy: judgeAffinity(input),
	};
	const wanted = Object.entries(verdicts).map(([type, verdict]) => ({ type, ...verdict }));
	return mergeConditions(before, wanted, input.fleet.metadata.generation ?? 0, now);
}
