/** What is to be done about a fleet now, from what is wanted and what is seen. Pure; the reconciler carries it out. */
import { decideRebalance, type RebalanceDecision } from '../fleet/rebalance.ts';
import type { EventInput } from '../kube/events.ts';
import { pick } from '../kube/object.ts';
import { RESUME_ANNOTATION, type RolloutStatus, type SocketFleet } from './api/fleet.ts';
import type { DeploymentSteering } from './desired/deployment.ts';
import { decideRollout, type RolloutDecision, type RolloutInput } from './rollout/rollout.ts';
import { decideScale, type ScaleDecision } from './scale/scale-down.ts';

export type PlanInput = RolloutInput;

export interface Plan {
	readonly steering: DeploymentSteering;
	readonly scale: ScaleDecision;
	readonly rollout: RolloutDecision;
	readonly rebalance: RebalanceDecision;
	readonly events: readonly EventInput[];
	/** When to look again without being told of a change. */
	readonly againMs: number | undefined;
}

/** While something drains. */
const SOON_MS = 1000;
/** Between two pods of a roll-out. */
const ROLLING_MS = 3000;
/** Metrics of the pods are read this often. */
export const OBSERVE_MS = 10_000;

export function buildPlan(input: PlanInput): Plan {
	const { fleet, deployment, pods, nowMs } = input;
	const { spec } = fleet;
	const current = pick(deployment, 'spec', 'replicas');
	const rollout = decideRollout(input);
	const scale =
		rollout.scale ??
		decideScale({
			wanted: spec.replicas,
			current: typeof current === 'number' ? current : undefined,
			pods,
			delayMs: spec.drain.delaySeconds * 1000,
			nowMs,
		});
	const busy = rollout.underWay || scale.state !== 'steady' || pods.some(({ terminating }) => terminating);
	const rebalance = decideRebalance({ spec: spec.rebalance, pods, before: fleet.status?.rebalance, busy, nowMs });
	return {
		steering: { replicas: scale.replicas, template: rollout.template, gate: rollout.gate },
		scale,
		rollout,
		rebalance,
		events: [
			...scaleEvents(scale, purposeOf(rollout, scale, spec.replicas)),
			...rolloutEvents(rollout, fleet),
			...rebalanceEvents(rebalance, spec.rebalance.dryRun),
		],
		againMs: againAfter(rollout, scale, pods.length),
	};
}

function againAfter({ underWay, status }: RolloutDecision, { victim }: ScaleDecision, pods: number): number | undefined {
	if (victim) {
		return SOON_MS;
	}
	return underWay && status?.state !== 'stopped' ? ROLLING_MS : pods > 0 ? OBSERVE_MS : undefined;
}

/** What the drained pod is drained for, and what becomes of it. */
interface Purpose {
	readonly why: string;
	readonly next: string;
}

function purposeOf({ underWay }: RolloutDecision, { replicas }: ScaleDecision, wanted: number): Purpose {
	return underWay
		? { why: 'to replace it', next: 'it is removed' }
		: { why: `to scale down to ${wanted}`, next: `replicas go down to ${replicas}` };
}

function scaleEvents({ state, victim, pardoned }: ScaleDecision, { why, next }: Purpose): EventInput[] {
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
				? [...kept, { type: 'Normal', reason: 'PodDraining', message: `Draining pod ${name} ${why} (${load}).` }]
				: kept;
		case 'drained':
			return [...kept, { type: 'Normal', reason: 'PodDrained', message: `Pod ${name} is empty; ${next}.` }];
		case 'overdue': {
			const left = readings === undefined ? 'it does not answer' : `${readings.connections} connections are left and are cut`;
			const message = `The drain of pod ${name} did not end in time: ${left}; ${next}. Raise drain.spreadSeconds or drain.marginSeconds.`;
			return [...kept, { type: 'Warning', reason: 'DrainOverdue', message }];
		}
		default:
			return kept;
	}
}

/** Of a roll-out that has just failed. */
function rolloutEvents({ status }: RolloutDecision, { status: before }: SocketFleet): EventInput[] {
	if (status === undefined || before?.rollout?.key === status.key) {
		return [];
	}
	const [reason, what] =
		status.state === 'stopped'
			? ['RolloutStopped', 'The roll-out stops']
			: ['RolloutRolledBack', 'The pods go back to the template of before'];
	return [{ type: 'Warning', reason, message: `${what}: ${status.message}. ${howToResume(status)}` }];
}

export function howToResume({ key }: RolloutStatus): string {
	return `Change the pod template or the bounds, or go on all the same with the annotation ${RESUME_ANNOTATION}=${key}.`;
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
