/** The HTTPRoute of the Gateway API. */

import type { KubeObject } from '../../kube/object.ts';
import type { JsonObject } from '../api/field.ts';
import type { FleetSpec } from '../api/spec.ts';
import { type FleetInput, optional } from './names.ts';
import { frame } from './object.ts';

export function buildHttpRoute(fleet: FleetInput): KubeObject | undefined {
	const { httpRoute, ingress, service } = fleet.spec;
	if (!httpRoute.enabled) {
		return undefined;
	}
	return frame(
		fleet,
		'HTTPRoute',
		{},
		{
			spec: {
				parentRefs: httpRoute.parentRefs,
				...optional('hostnames', ingress.hosts),
				rules: [
					{
						matches: [{ path: { type: 'PathPrefix', value: ingress.path } }],
						backendRefs: [{ name: fleet.name, port: service.port }],
						...sessionPersistence(fleet.spec),
					},
				],
			},
		},
	);
}

/** Two shapes: as released, and the union that replaces it. */
function sessionPersistence({ httpRoute, ingress }: FleetSpec): JsonObject {
	const { enabled, shape } = httpRoute.sessionPersistence;
	const { mode, cookieName, maxAgeSeconds } = ingress.affinity;
	if (!enabled || mode !== 'cookie') {
		return {};
	}
	const lifetimeType = maxAgeSeconds > 0 ? 'Permanent' : 'Session';
	const cookie =
		shape === 'next'
			? { cookie: { name: cookieName, path: ingress.path, lifetimeType } }
			: { sessionName: cookieName, cookieConfig: { lifetimeType } };
	return { sessionPersistence: { type: 'Cookie', ...cookie, ...(maxAgeSeconds > 0 ? { absoluteTimeout: `${maxAgeSeconds}s` } : {}) } };
}
