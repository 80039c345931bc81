/** The Deployment of a fleet, from its status. Pure. */
import { type KubeObject, pickNumber } from '../kube/object.ts';

/** Whether pods of an older version are left. A scale-down leaves none, nor does a scale-up. */
export function isRollingOut(deployment: KubeObject | undefined): boolean {
	return pickNumber(deployment, ['status', 'updatedReplicas']) < pickNumber(deployment, ['status', 'replicas']);
}
