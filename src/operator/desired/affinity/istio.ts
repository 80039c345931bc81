/** Istio hashes in a DestinationRule, whoever routes to the Service. A ttl of 0s is a cookie for the browser's session. */
import type { JsonObject } from '../../api/field.ts';
import type { FleetSpec } from '../../api/spec.ts';
import { isBehindProxy } from '../names.ts';
import { frame } from '../object.ts';
import type { Affinity } from './affinity.ts';

export const ISTIO: Affinity = {
	className: 'istio',
	objects: (fleet) => {
		if (!isBehindProxy(fleet.spec)) {
			return [];
		}
		return [
			frame(
				fleet,
				'DestinationRule',
				{},
				{
					spec: {
						host: `${fleet.name}.${fleet.namespace}.svc.cluster.local`,
						trafficPolicy: {
							connectionPool: { http: { idleTimeout: `${fleet.spec.ingress.idleTimeoutSeconds}s` } },
							loadBalancer: loadBalancer(fleet.spec),
						},
					},
				},
			),
		];
	},
};

function loadBalancer({ ingress }: FleetSpec): JsonObject {
	const { mode, cookieName, maxAgeSeconds } = ingress.affinity;
	switch (mode) {
		case 'cookie':
			return { consistentHash: { httpCookie: { name: cookieName, path: ingress.path, ttl: `${maxAgeSeconds}s` } } };
		case 'source':
			return { consistentHash: { useSourceIp: true } };
		case 'none':
			return { simple: 'LEAST_REQUEST' };
	}
}
