/** The Deployment of a fleet. Pure. */
import { type KubeObject, pickNumber } from '../kube/object.ts';

/** On the Deployment: the affinity that its proxies were asked for (`ingress.affinity.mode`). */
export const AFFINITY_ANNOTATION = 'socketfleet.dev/affinity';

/** Whether pods of an older version are left. A scale-down leaves none, nor does a scale-up. */
export function isRollingOut(deployment: KubeObject | undefined): boolean {
	return pickNumber(deployment, ['status', 'updatedReplicas']) < pickNumber(deployment, ['status', 'replicas']);
}
