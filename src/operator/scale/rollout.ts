/**
 * Whether a roll-out waits. A Deployment does not wait for pods that terminate: with many connections and quick starts it would have all pods
 * of a fleet drain at once. Pausing it while one drains makes it replace the next only when the one before is gone. Pure.
 */

import type { FleetPod } from '../../fleet/pods.ts';
import { type KubeObject, pickNumber } from '../../kube/object.ts';

/** Beyond a pod's grace period, after which it is not waited for. */
const STUCK_MS = 30_000;

export interface RolloutState {
	/** Old pods are left, or new ones are not there yet. */
	readonly underWay: boolean;
	readonly updated: number;
	readonly total: number;
	/** Pods that terminate within their time; one on a node that is lost would hold the roll-out for ever. */
	readonly leaving: number;
	readonly paused: boolean;
}

export function judgeRollout(
	deployment: KubeObject | undefined,
	pods: readonly FleetPod[],
	{ paced, nowMs }: { readonly paced: boolean; readonly nowMs: number },
): RolloutState {
	const leaving = pods.filter(({ terminating, goneByMs }) => terminating && nowMs < goneByMs + STUCK_MS).length;
	const total = pickNumber(deployment, ['spec', 'replicas']);
	const updated = pickNumber(deployment, ['status', 'updatedReplicas']);
	const existing = pickNumber(deployment, ['status', 'replicas']);
	const underWay = existing > updated || updated < Math.min(total, existing);
	return { underWay, updated, total, leaving, paused: paced && underWay && leaving > 0 };
}
