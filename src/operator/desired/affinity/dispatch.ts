/** Session affinity: one file a controller, each with the same parts. Adding one is a file and a row here. */
import type { KubeObject } from '../../../kube/object.ts';
import type { Controller, FleetSpec } from '../../api/spec.ts';
import type { FleetInput, Labels } from '../names.ts';
import { ALB } from './alb.ts';
import { ENVOY_GATEWAY } from './envoy-gateway.ts';
import { GKE } from './gke.ts';
import { HAPROXY_INGRESS } from './haproxy-ingress.ts';
import { HAPROXYTECH } from './haproxytech.ts';
import { ISTIO } from './istio.ts';
import { NGINX } from './nginx.ts';
import { TRAEFIK } from './traefik.ts';

export interface Affinity {
	/** The controller's usual class; empty: none is named. */
	readonly className: string;
	/** Asked only when a proxy stands in front. */
	readonly serviceAnnotations?: (fleet: FleetInput) => Labels;
	readonly ingressAnnotations?: (fleet: FleetInput) => Labels;
	/** Objects of the controller's own kinds. */
	readonly objects?: (fleet: FleetInput) => readonly KubeObject[];
}

const AFFINITY: Readonly<Record<Controller, Affinity>> = {
	alb: ALB,
	'envoy-gateway': ENVOY_GATEWAY,
	gke: GKE,
	'haproxy-ingress': HAPROXY_INGRESS,
	haproxytech: HAPROXYTECH,
	istio: ISTIO,
	nginx: NGINX,
	// No controller of a known kind: only the Service's own affinity by client address, when it is asked for.
	none: { className: '' },
	traefik: TRAEFIK,
};

export function affinityOf({ ingress }: FleetSpec): Affinity {
	return AFFINITY[ingress.controller];
}
