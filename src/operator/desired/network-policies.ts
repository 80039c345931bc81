/** NetworkPolicies: who may reach the ports of the pods, and who the bundled Redis. */
import type { KubeObject } from '../../kube/object.ts';
import { type FleetInput, instanceLabels, optional, redisLabels, selectorLabels } from './names.ts';
import { frame } from './object.ts';

const EVERY_POD = [{ namespaceSelector: {} }];
const THIS_NAMESPACE = [{ podSelector: {} }];

export function buildNetworkPolicy(fleet: FleetInput): KubeObject | undefined {
	const { networkPolicy, api } = fleet.spec;
	if (!networkPolicy.enabled) {
		return undefined;
	}
	const { publicFrom, adminFrom, apiFrom } = networkPolicy;
	return frame(
		fleet,
		'NetworkPolicy',
		{},
		{
			spec: {
				podSelector: { matchLabels: selectorLabels(fleet) },
				policyTypes: ['Ingress'],
				ingress: [
					{ ports: [{ port: 'http' }], ...optional('from', publicFrom) },
					{ ports: [{ port: 'admin' }], from: adminFrom.length > 0 ? adminFrom : EVERY_POD },
					// Forwarded requests: the fleet's own pods and nobody else.
					{ ports: [{ port: 'internal' }], from: [{ podSelector: { matchLabels: selectorLabels(fleet) } }] },
					...(api.enabled ? [{ ports: [{ port: 'api' }], from: apiFrom.length > 0 ? apiFrom : THIS_NAMESPACE }] : []),
				],
			},
		},
	);
}

export function buildRedisNetworkPolicy(fleet: FleetInput): KubeObject | undefined {
	const { networkPolicy, redis } = fleet.spec;
	if (!networkPolicy.enabled || redis.source !== 'bundled') {
		return undefined;
	}
	return frame(
		fleet,
		'NetworkPolicy',
		{ suffix: '-redis' },
		{
			spec: {
				podSelector: { matchLabels: redisLabels(fleet) },
				policyTypes: ['Ingress'],
				ingress: [{ ports: [{ port: 6379 }], from: [{ podSelector: { matchLabels: instanceLabels(fleet) } }] }],
			},
		},
	);
}
