/** The frame of a desired object. */

import { apiVersionOf, type Kind, type KubeObject, RESOURCES } from '../../kube/object.ts';
import type { JsonObject } from '../api/field.ts';
import { type FleetInput, type Labels, labels, optional } from './names.ts';

export interface Frame {
	/** After the fleet's own name, with its dash. */
	readonly suffix?: string;
	/** Whole name, when it is not the fleet's. */
	readonly name?: string;
	readonly labels?: Labels;
	readonly annotations?: Labels;
}

/** An object of the fleet with its labels; `body` is what stands beside the metadata. */
export function frame(fleet: FleetInput, kind: Kind, extra: Frame, body: JsonObject): KubeObject {
	return {
		apiVersion: apiVersionOf(RESOURCES[kind]),
		kind,
		metadata: {
			name: extra.name ?? `${fleet.name}${extra.suffix ?? ''}`,
			namespace: fleet.namespace,
			labels: { ...labels(fleet), ...extra.labels },
			...optional('annotations', extra.annotations),
		},
		...body,
	};
}
