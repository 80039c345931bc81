/** The PodDisruptionBudget. */
import type { KubeObject } from '../../kube/object.ts';
import { type FleetInput, selectorLabels } from './names.ts';
import { frame } from './object.ts';

export function buildPdb(fleet: FleetInput): KubeObject | undefined {
	const { enabled, minAvailable, maxUnavailable, unhealthyPodEvictionPolicy } = fleet.spec.pdb;
	if (!enabled) {
		return undefined;
	}
	return frame(
		fleet,
		'PodDisruptionBudget',
		{},
		{
			spec: {
				...(minAvailable === undefined ? { maxUnavailable: maxUnavailable ?? 1 } : { minAvailable }),
				unhealthyPodEvictionPolicy,
				selector: { matchLabels: selectorLabels(fleet) },
			},
		},
	);
}
