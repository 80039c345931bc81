/** Session affinity: one file a controller, each with the same parts. Adding one is a file and a row here. */
import type { Controller, FleetSpec } from '../../api/spec.ts';
import type { Affinity } from './affinity.ts';
import { ALB } from './alb.ts';
import { ENVOY_GATEWAY } from './envoy-gateway.ts';
import { GKE } from './gke.ts';
import { HAPROXY_INGRESS } from './haproxy-ingress.ts';
import { HAPROXYTECH } from './haproxytech.ts';
import { ISTIO } from './istio.ts';
import { NGINX } from './nginx.ts';
import { TRAEFIK } from './traefik.ts';

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
