/** What a controller needs so that one client's requests come to one pod: the parts that each file of this folder has. */
import type { KubeObject } from '../../../kube/object.ts';
import type { FleetInput, Labels } from '../names.ts';

export interface Affinity {
	/** The controller's usual class; empty: none is named. */
	readonly className: string;
	/** Asked only when a proxy stands in front. */
	readonly serviceAnnotations?: (fleet: FleetInput) => Labels;
	readonly ingressAnnotations?: (fleet: FleetInput) => Labels;
	/** Objects of the controller's own kinds. */
	readonly objects?: (fleet: FleetInput) => readonly KubeObject[];
}
