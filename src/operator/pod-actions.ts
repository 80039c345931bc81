/** What the operator does to pods: read them, mark and drain the one that goes, take marks back, close a share of connections. */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { DRAIN_UNTIL_ANNOTATION, DRAINING_ANNOTATION, type FleetPod, toFleetPod } from '../fleet/pods.ts';
import { parseReadings } from '../fleet/readings.ts';
import type { RebalanceDecision } from '../fleet/rebalance.ts';
import type { KubeClient } from '../kube/client.ts';
import { toKubeTime } from '../kube/conditions.ts';
import { isFailure } from '../kube/errors.ts';
import { type KubeObject, RESOURCES } from '../kube/object.ts';
import { DELETION_COST_ANNOTATION } from './api/fleet.ts';
import type { FleetSpec } from './api/spec.ts';
import { FIELD_MANAGER } from './children.ts';
import type { PodAdmin } from './pod-admin.ts';
import { drainLimitMs, drainPace } from './scale/drain.ts';
import type { ScaleDecision } from './scale/scale-down.ts';

export interface PodTools {
	readonly client: KubeClient;
	readonly podAdmin: PodAdmin;
	readonly log: Logger;
	readonly now?: () => Date;
	readonly token: string;
	readonly adminToken: string;
}

/** Lower than any pod that nobody marked: their default is 0. */
const GOES_FIRST = '-1000';
/** Over which one round of a rebalance closes its connections. */
const ROUND_SPREAD_MS = 20_000;

/** All at once; a pod that does not answer has no readings. One that terminates is not asked: waiting for it would hold up what depends on it. */
export function readPods({ podAdmin, adminToken, log }: PodTools, pods: readonly KubeObject[]): Promise<readonly FleetPod[]> {
	return Promise.all(
		pods.map(async (object) => {
			const pod = toFleetPod(object);
			if (pod.ip === '' || pod.terminating) {
				return pod;
			}
			try {
				const [metrics, reasons] = await Promise.all([podAdmin.metrics(pod, adminToken), podAdmin.reasons(pod)]);
				return { ...pod, readings: parseReadings(metrics), reasons };
			} catch (error) {
				log.debug({ pod: pod.name, err: messageOf(error) }, 'a pod could not be read');
				return pod;
			}
		}),
	);
}

/** Problems as sentences. Told again at each look: a container that started anew has forgotten it. */
export async function carryOutScale(
	tools: PodTools,
	{ victim, pardoned }: ScaleDecision,
	spec: Pick<FleetSpec, 'drain' | 'rollout'>,
): Promise<readonly string[]> {
	const problems: string[] = [];
	for (const pod of pardoned) {
		await unmark(tools, pod);
	}
	if (!victim) {
		return problems;
	}
	const now = tools.now?.() ?? new Date();
	// A mark in the future was made by a clock that was put back since: it would hold the pod for as long.
	if (victim.drainingSinceMs === undefined || victim.drainingSinceMs > now.getTime()) {
		await annotate(tools, victim, {
			[DRAINING_ANNOTATION]: toKubeTime(now),
			[DRAIN_UNTIL_ANNOTATION]: toKubeTime(new Date(now.getTime() + drainLimitMs(spec, victim))),
			[DELETION_COST_ANNOTATION]: GOES_FIRST,
		});
	}
	try {
		await tools.podAdmin.cordon(victim, tools.token, drainPace(spec));
	} catch (error) {
		// One that is not ready serves nobody: it is removed all the same.
		if (victim.ready) {
			problems.push(`pod ${victim.name} can't be drained: ${messageOf(error)}`);
		}
	}
	return problems;
}

export async function shedConnections(tools: PodTools, closes: RebalanceDecision['closes']): Promise<void> {
	await Promise.all(
		closes.map(async ({ pod, count }) => {
			try {
				await tools.podAdmin.shed(pod, tools.token, count, ROUND_SPREAD_MS);
			} catch (error) {
				// The next round counts again.
				tools.log.warn({ pod: pod.name, count, err: messageOf(error) }, 'a pod did not take its part of the rebalance');
			}
		}),
	);
}

async function unmark(tools: PodTools, pod: FleetPod): Promise<void> {
	try {
		await tools.podAdmin.uncordon(pod, tools.token);
	} catch (error) {
		tools.log.warn({ pod: pod.name, err: messageOf(error) }, 'a pod that stays could not be told; tried again');
		return;
	}
	await annotate(tools, pod, { [DRAINING_ANNOTATION]: null, [DRAIN_UNTIL_ANNOTATION]: null, [DELETION_COST_ANNOTATION]: null });
}

async function annotate(
	{ client }: PodTools,
	{ name, namespace }: FleetPod,
	annotations: Readonly<Record<string, string | null>>,
): Promise<void> {
	try {
		await client.patch(RESOURCES.Pod, { name, namespace }, { metadata: { annotations } }, FIELD_MANAGER);
	} catch (error) {
		if (!isFailure(error, 'not-found')) {
			throw error;
		}
	}
}
