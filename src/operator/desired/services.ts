/** The Services of the pods: the public one, the headless one for looking at single pods, and the one of the emit API. */

import type { KubeObject } from '../../kube/object.ts';
import type { JsonObject } from '../api/field.ts';
import type { FleetSpec } from '../api/spec.ts';
import { affinityOf } from './affinity/dispatch.ts';
import { affinityDaySeconds, type FleetInput, isBehindProxy, optional, selectorLabels } from './names.ts';
import { frame } from './object.ts';

/** Kubernetes takes at most a day here. */
const MAX_CLIENT_IP_S = 86_400;

export function buildService(fleet: FleetInput): KubeObject {
	const { service } = fleet.spec;
	const fromController = isBehindProxy(fleet.spec) ? (affinityOf(fleet.spec).serviceAnnotations?.(fleet) ?? {}) : {};
	return frame(
		fleet,
		'Service',
		{ annotations: { ...fromController, ...service.annotations } },
		{
			spec: {
				type: service.type,
				selector: selectorLabels(fleet),
				...(service.type === 'ClusterIP' ? {} : { externalTrafficPolicy: service.externalTrafficPolicy }),
				...clientIpAffinity(fleet.spec),
				ports: [
					{
						name: 'http',
						port: service.port,
						targetPort: 'http',
						...optional('appProtocol', appProtocol(fleet.spec)),
						...optional('nodePort', service.nodePort),
					},
				],
			},
		},
	);
}

function clientIpAffinity(spec: FleetSpec): JsonObject {
	const { controller, affinity } = spec.ingress;
	if (controller !== 'none' || affinity.mode !== 'source') {
		return {};
	}
	const timeoutSeconds = Math.min(MAX_CLIENT_IP_S, affinityDaySeconds(spec));
	return { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } };
}

function appProtocol({ service, httpRoute, ingress }: FleetSpec): string {
	const byRoute = ingress.controller === 'istio' ? 'http' : 'kubernetes.io/ws';
	return service.appProtocol || (httpRoute.enabled ? byRoute : '');
}

/** Every pod, ready or not. Pods find each other through Redis, not here. */
export function buildHeadlessService(fleet: FleetInput): KubeObject {
	return frame(
		fleet,
		'Service',
		{ suffix: '-headless', labels: { 'socketfleet.dev/service': 'headless' } },
		{
			spec: {
				clusterIP: 'None',
				publishNotReadyAddresses: true,
				selector: selectorLabels(fleet),
				ports: [
					{ name: 'http', port: 3000, targetPort: 'http' },
					{ name: 'admin', port: 9464, targetPort: 'admin' },
					{ name: 'internal', port: 9465, targetPort: 'internal' },
				],
			},
		},
	);
}

/** On its own, so that no route of the public Service leads to it. */
export function buildApiService(fleet: FleetInput): KubeObject | undefined {
	const { enabled, port } = fleet.spec.api;
	if (!enabled) {
		return undefined;
	}
	const ports = [{ name: 'api', port, targetPort: 'api' }];
	return frame(fleet, 'Service', { suffix: '-api' }, { spec: { selector: selectorLabels(fleet), ports } });
}
