/** Envoy Gateway: the route's own sessionPersistence when asked for, a hash in a BackendTrafficPolicy otherwise. */
import type { JsonObject } from '../../api/field.ts';
import type { FleetSpec } from '../../api/spec.ts';
import { affinityDaySeconds, isCookieSecure } from '../names.ts';
import { frame } from '../object.ts';
import type { Affinity } from './affinity.ts';

export const ENVOY_GATEWAY: Affinity = {
	className: '',
	objects: (fleet) => {
		const { httpRoute, ingress } = fleet.spec;
		if (!httpRoute.enabled) {
			return [];
		}
		return [
			frame(
				fleet,
				'BackendTrafficPolicy',
				{},
				{
					spec: {
						targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: fleet.name }],
						// Envoy's 15 seconds for a whole request would cut long polls.
						timeout: { http: { requestTimeout: '0s', connectionIdleTimeout: `${ingress.idleTimeoutSeconds}s` } },
						loadBalancer: loadBalancer(fleet.spec),
					},
				},
			),
		];
	},
};

function loadBalancer(spec: FleetSpec): JsonObject {
	const { mode, cookieName, sameSite } = spec.ingress.affinity;
	if (mode === 'none' || spec.httpRoute.sessionPersistence.enabled) {
		return { type: 'LeastRequest' };
	}
	if (mode === 'source') {
		return { type: 'ConsistentHash', consistentHash: { type: 'SourceIP' } };
	}
	const attributes = { SameSite: sameSite, ...(isCookieSecure(spec) ? { Secure: 'true' } : {}) };
	const cookie = { name: cookieName, ttl: `${affinityDaySeconds(spec)}s`, attributes };
	return { type: 'ConsistentHash', consistentHash: { type: 'Cookie', cookie } };
}
