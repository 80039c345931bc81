/** One judgement for each condition of a fleet: what is so, why, and what to do about it. Pure. */
import { conditionOf, type FleetPod } from '../fleet/pods.ts';
import { isShortRetention, type PodReadings } from '../fleet/readings.ts';
import type { ConditionInput } from '../kube/conditions.ts';
import type { KubeObject } from '../kube/object.ts';
import type { SocketFleet } from './api/fleet.ts';
import { isBehindProxy } from './desired/names.ts';
import { howToResume, type Plan } from './plan.ts';

export interface StatusInput {
	readonly fleet: SocketFleet;
	readonly deployment: KubeObject | undefined;
	readonly pods: readonly FleetPod[];
	/** Readings of the look before this one, by the pod's uid. */
	readonly earlier: ReadonlyMap<string, PodReadings>;
	/** Undefined while the fleet is paused or goes. */
	readonly plan: Plan | undefined;
	/** What could not be applied or removed, as sentences that say what to do. */
	readonly problems: readonly string[];
	readonly now: Date;
}

export type Verdict = Omit<ConditionInput, 'type'>;

/** Fewer forwarded requests between two looks prove nothing. */
const MIN_FORWARDED = 20;
const MAX_SENTENCES = 3;

export function judgeReady({ fleet, pods }: StatusInput): Verdict {
	const wanted = fleet.spec.replicas;
	const ready = pods.filter((pod) => pod.ready && !pod.terminating).length;
	if (wanted === 0) {
		return { status: 'True', reason: 'ScaledToZero', message: 'No pods are wanted.' };
	}
	const message = `${ready} of ${wanted} pods are ready.`;
	return ready >= wanted ? { status: 'True', reason: 'AllReady', message } : { status: 'False', reason: 'PodsNotReady', message };
}

export function judgeProgressing({ fleet, plan }: StatusInput): Verdict {
	if (fleet.metadata.deletionTimestamp !== undefined) {
		return { status: 'True', reason: 'Deleting', message: 'Connections are closed at the pace of a drain, then the fleet goes.' };
	}
	if (plan === undefined) {
		return {
			status: 'False',
			reason: 'Paused',
			message: 'Paused by the annotation socketfleet.dev/paused; nothing is changed until it is removed.',
		};
	}
	const { scale, rollout, rebalance } = plan;
	const failed = rollout.status;
	if (failed?.state === 'stopped') {
		return { status: 'False', reason: 'RolloutStopped', message: `The roll-out has stopped: ${failed.message}. ${howToResume(failed)}` };
	}
	if (rollout.underWay) {
		const reason = failed === undefined ? 'RollingOut' : 'RollingBack';
		const drains = scale.victim === undefined ? '' : ` Pod ${scale.victim.name} drains before it goes.`;
		return { status: 'True', reason, message: `${rollout.updated} of ${rollout.total} pods are new.${drains}` };
	}
	if (scale.victim) {
		return {
			status: 'True',
			reason: 'ScalingDown',
			message: `Pod ${scale.victim.name} drains; then replicas go down to ${scale.replicas}.`,
		};
	}
	if (scale.state === 'growing' || scale.state === 'waiting') {
		return { status: 'True', reason: 'Scaling', message: `Scaling to ${fleet.spec.replicas} pods.` };
	}
	if (rebalance.status?.active) {
		return { status: 'True', reason: 'Rebalancing', message: `The fullest pod has ${rebalance.status.fullestPercent}% of the mean.` };
	}
	if (failed) {
		return {
			status: 'False',
			reason: 'RolledBack',
			message: `The pods have the template of before: ${failed.message}. ${howToResume(failed)}`,
		};
	}
	return { status: 'False', reason: 'Stable', message: 'Nothing is under way.' };
}

export function judgeDegraded({ deployment, pods, problems }: StatusInput): Verdict {
	const failure = conditionOf(deployment, 'ReplicaFailure');
	const live = pods.filter(({ terminating }) => !terminating);
	const failing = live.flatMap(({ problem }) => problem ?? []);
	// What all pods say, as of a Redis that is full, is said once.
	const reported = [...new Set(live.filter(({ ready }) => ready).flatMap(({ reasons }) => reasons))].filter(
		(reason) => !isShortRetention(reason),
	);
	const sentences = [
		...problems,
		...(failure?.status === 'True' ? [`pods can't be created: ${failure.message ?? failure.reason ?? 'unknown'}`] : []),
		...failing,
		...reported,
	];
	if (sentences.length === 0) {
		return { status: 'False', reason: 'AsWanted', message: 'Everything is as the spec says.' };
	}
	const more = sentences.length > MAX_SENTENCES ? ` And ${sentences.length - MAX_SENTENCES} more.` : '';
	const kinds = [
		[problems.length > 0, 'NotApplied'],
		[failure?.status === 'True', 'PodsRefused'],
		[failing.length > 0, 'PodsFail'],
	] as const;
	const reason = kinds.find(([holds]) => holds)?.[1] ?? 'PodsReport';
	return { status: 'True', reason, message: `${sentences.slice(0, MAX_SENTENCES).join('; ')}.${more}` };
}

export function judgeRedis({ fleet, pods }: StatusInput): Verdict {
	if (fleet.spec.redis.source === 'none') {
		return { status: 'True', reason: 'NotUsed', message: 'The fleet uses no Redis.' };
	}
	const answers = pods.filter(({ terminating, readings }) => !terminating && readings?.redisUp !== undefined);
	const without = answers.filter(({ readings }) => readings?.redisUp === false);
	if (without.length > 0) {
		const names = without.map(({ name }) => name).join(', ');
		const message = `Pods without Redis: ${names}. Their messages reach clients of the same pod only; look at Redis and at the network between.`;
		return { status: 'False', reason: 'Away', message };
	}
	return answers.length === 0
		? { status: 'Unknown', reason: 'NoReadings', message: 'No pod has answered yet.' }
		: { status: 'True', reason: 'Reachable', message: 'Every pod reaches Redis.' };
}

/** Whether the stream reaches back as far as clients may be away. */
export function judgeRecovery({ fleet, pods }: StatusInput): Verdict {
	if (fleet.spec.redis.source === 'none' || fleet.spec.config.recovery === false) {
		return { status: 'True', reason: 'NotUsed', message: 'Clients that come back are not recovered: the fleet is set up so.' };
	}
	const read = pods.filter(({ terminating, readings }) => !terminating && readings !== undefined);
	const short = read.flatMap(({ reasons }) => reasons).find(isShortRetention);
	if (short !== undefined) {
		const message = `Clients that come back late in the window are not recovered: ${short} (in spec.config) and the memory of Redis with it, or lower recoveryWindowMs.`;
		return { status: 'False', reason: 'RetentionShort', message };
	}
	return read.length === 0
		? { status: 'Unknown', reason: 'NoReadings', message: 'No pod has answered yet.' }
		: { status: 'True', reason: 'Covered', message: 'The stream reaches back as far as the recovery window.' };
}

export function judgeAffinity({ fleet, pods, earlier, plan }: StatusInput): Verdict {
	const read = pods.filter(({ terminating, readings }) => !terminating && readings !== undefined);
	if (read.some(({ readings }) => readings?.dominantPeer)) {
		const message =
			'One peer holds most connections, so that one worker of each pod gets them all: a proxy stands in front whose header is not read. Set config.addressSource, or ingress.controller.';
		return { status: 'False', reason: 'DominantPeer', message };
	}
	const { forwarded, opened } = sinceEarlier(read, earlier);
	const expected =
		!isBehindProxy(fleet.spec) || fleet.spec.ingress.affinity.mode === 'none' || plan?.scale.state !== 'steady' || plan.rollout.underWay;
	if (!expected && forwarded >= MIN_FORWARDED && forwarded > opened) {
		const message = `${forwarded} requests arrived at a pod that does not have their session, and were forwarded: the affinity of the ingress does not work. Check ingress.controller.`;
		return { status: 'False', reason: 'Forwarding', message };
	}
	return read.length === 0
		? { status: 'Unknown', reason: 'NoReadings', message: 'No pod has answered yet.' }
		: { status: 'True', reason: 'Local', message: 'Sessions stay with their pods.' };
}

function sinceEarlier(pods: readonly FleetPod[], earlier: ReadonlyMap<string, PodReadings>): { forwarded: number; opened: number } {
	let forwarded = 0;
	let opened = 0;
	for (const { uid, readings } of pods) {
		const before = earlier.get(uid);
		if (readings && before) {
			// A container that started again counts from zero.
			forwarded += Math.max(0, readings.forwardedToPods - before.forwardedToPods);
			opened += Math.max(0, readings.openedSessions - before.openedSessions);
		}
	}
	return { forwarded, opened };
}
