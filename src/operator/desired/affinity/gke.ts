/** GKE: a BackendConfig for an Ingress, policies for a Gateway. Its timeout is the longest life of a WebSocket there, not only an idle time. */
import type { KubeObject } from '../../../kube/object.ts';
import { affinityDaySeconds, drainSeconds, type FleetInput, type Labels } from '../names.ts';
import { frame } from '../object.ts';
import type { Affinity } from './affinity.ts';

const KINDS = { cookie: 'GENERATED_COOKIE', source: 'CLIENT_IP', none: 'NONE' } as const;

export const GKE: Affinity = {
	className: '',
	serviceAnnotations: ({ name, spec }): Labels =>
		spec.ingress.enabled
			? { 'cloud.google.com/neg': '{"ingress": true}', 'cloud.google.com/backend-config': `{"default": "${name}"}` }
			: {},
	ingressAnnotations: (): Labels => ({ 'kubernetes.io/ingress.class': 'gce' }),
	objects: (fleet) => [
		...(fleet.spec.ingress.enabled ? [backendConfig(fleet)] : []),
		...(fleet.spec.httpRoute.enabled ? [backendPolicy(fleet), healthCheckPolicy(fleet)] : []),
	],
};

function backendConfig(fleet: FleetInput): KubeObject {
	const { mode } = fleet.spec.ingress.affinity;
	return frame(
		fleet,
		'BackendConfig',
		{},
		{
			spec: {
				timeoutSec: fleet.spec.ingress.idleTimeoutSeconds,
				connectionDraining: { drainingTimeoutSec: drainSeconds(fleet.spec) },
				sessionAffinity: {
					affinityType: KINDS[mode],
					...(mode === 'cookie' ? { affinityCookieTtlSec: affinityDaySeconds(fleet.spec) } : {}),
				},
				healthCheck: { type: 'HTTP', port: 9464, requestPath: '/readyz' },
			},
		},
	);
}

function backendPolicy(fleet: FleetInput): KubeObject {
	const { mode } = fleet.spec.ingress.affinity;
	return frame(
		fleet,
		'GCPBackendPolicy',
		{},
		{
			spec: {
				default: {
					timeoutSec: fleet.spec.ingress.idleTimeoutSeconds,
					connectionDraining: { drainingTimeoutSec: drainSeconds(fleet.spec) },
					sessionAffinity: { type: KINDS[mode], ...(mode === 'cookie' ? { cookieTtlSec: affinityDaySeconds(fleet.spec) } : {}) },
				},
				targetRef: targetRef(fleet),
			},
		},
	);
}

function healthCheckPolicy(fleet: FleetInput): KubeObject {
	const httpHealthCheck = { portSpecification: 'USE_FIXED_PORT', port: 9464, requestPath: '/readyz' };
	return frame(
		fleet,
		'HealthCheckPolicy',
		{},
		{
			spec: { default: { config: { type: 'HTTP', httpHealthCheck } }, targetRef: targetRef(fleet) },
		},
	);
}

function targetRef({ name }: FleetInput) {
	return { group: '', kind: 'Service', name };
}
