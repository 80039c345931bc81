/** The Ingress. */
import type { KubeObject } from '../../kube/object.ts';
import { affinityOf } from './affinity/dispatch.ts';
import { type FleetInput, optional } from './names.ts';
import { frame } from './object.ts';

export function buildIngress(fleet: FleetInput): KubeObject | undefined {
	const { ingress } = fleet.spec;
	if (!ingress.enabled) {
		return undefined;
	}
	const affinity = affinityOf(fleet.spec);
	const backend = { service: { name: fleet.name, port: { name: 'http' } } };
	const http = { paths: [{ path: ingress.path, pathType: 'Prefix', backend }] };
	return frame(
		fleet,
		'Ingress',
		{ annotations: { ...affinity.ingressAnnotations?.(fleet), ...ingress.annotations } },
		{
			spec: {
				...optional('ingressClassName', ingress.className || affinity.className),
				...optional('tls', ingress.tls),
				rules: ingress.hosts.length === 0 ? [{ http }] : ingress.hosts.map((host) => ({ host, http })),
			},
		},
	);
}
