/** The pods' account. It has no rights. */
import type { KubeObject } from '../../kube/object.ts';
import { type FleetInput, serviceAccountName } from './names.ts';
import { frame } from './object.ts';

export function buildServiceAccount(fleet: FleetInput): KubeObject | undefined {
	const { create, annotations, automountToken } = fleet.spec.serviceAccount;
	return create
		? frame(fleet, 'ServiceAccount', { name: serviceAccountName(fleet), annotations }, { automountServiceAccountToken: automountToken })
		: undefined;
}
