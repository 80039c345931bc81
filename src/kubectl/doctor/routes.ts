/** The ways from outside to a fleet: addresses of its Ingresses and HTTPRoutes, and the idle timeouts that are stated on them. Pure. */
import { type KubeObject, pick, pickList, pickText } from '../../kube/object.ts';
import { findTimeouts, type Timeout } from './timeouts.ts';

export interface Route {
	/** As `Ingress chat`. */
	readonly name: string;
	/** Without a path; undefined when no address is known. */
	readonly origin: string | undefined;
	readonly timeouts: readonly Timeout[];
}

/** Objects of the fleet's namespace, and the Gateways that its routes name. */
export interface RouteObjects {
	readonly services: readonly KubeObject[];
	readonly ingresses: readonly KubeObject[];
	readonly httpRoutes: readonly KubeObject[];
	readonly gateways: readonly KubeObject[];
	/** BackendConfig, GCPBackendPolicy, BackendTrafficPolicy, DestinationRule. */
	readonly policies: readonly KubeObject[];
}

export function findRoutes(objects: RouteObjects, podLabels: Readonly<Record<string, string>>): readonly Route[] {
	const services = objects.services.filter((service) => selects(service, podLabels));
	const names = new Set(services.map(({ metadata }) => metadata.name));
	const ingresses = objects.ingresses.filter((ingress) => backendsOfIngress(ingress).some((name) => names.has(name)));
	const httpRoutes = objects.httpRoutes.filter((route) => backendsOfRoute(route).some((name) => names.has(name)));
	return [
		...ingresses.map((ingress) => ({
			name: `Ingress ${ingress.metadata.name}`,
			origin: originOfIngress(ingress),
			timeouts: findTimeouts(ingress, services, objects.policies),
		})),
		...httpRoutes.map((route) => ({
			name: `HTTPRoute ${route.metadata.name}`,
			origin: originOfRoute(route, objects.gateways),
			timeouts: findTimeouts(route, services, objects.policies),
		})),
	];
}

/** The Gateways of these routes, with the namespace of each. */
export function gatewaysOf(httpRoutes: readonly KubeObject[]): readonly { readonly namespace: string; readonly name: string }[] {
	const refs = httpRoutes.flatMap((route) =>
		pickList(route, 'spec', 'parentRefs').map((ref) => ({
			namespace: pickText(ref, 'namespace') || (route.metadata.namespace ?? ''),
			name: pickText(ref, 'name'),
		})),
	);
	return refs.filter((ref, index) => refs.findIndex((other) => other.name === ref.name && other.namespace === ref.namespace) === index);
}

/** Headless ones are for looking at single pods. */
function selects(service: KubeObject, podLabels: Readonly<Record<string, string>>): boolean {
	const selector = Object.entries((pick(service, 'spec', 'selector') ?? {}) as Readonly<Record<string, string>>);
	return (
		pickText(service, 'spec', 'clusterIP') !== 'None' && selector.length > 0 && selector.every(([key, value]) => podLabels[key] === value)
	);
}

function backendsOfIngress(ingress: KubeObject): readonly string[] {
	const paths = pickList(ingress, 'spec', 'rules').flatMap((rule) => pickList(rule, 'http', 'paths'));
	return [
		...paths.map((path) => pickText(path, 'backend', 'service', 'name')),
		pickText(ingress, 'spec', 'defaultBackend', 'service', 'name'),
	];
}

function backendsOfRoute(route: KubeObject): readonly string[] {
	return pickList(route, 'spec', 'rules').flatMap((rule) => pickList(rule, 'backendRefs').map((backend) => pickText(backend, 'name')));
}

/** A rule for every host is reached at the address of the balancer, which the controller writes into the status. */
function originOfIngress(ingress: KubeObject): string | undefined {
	const host = pickText(pickList(ingress, 'spec', 'rules')[0], 'host');
	const [address] = pickList(ingress, 'status', 'loadBalancer', 'ingress');
	const scheme = pickList(ingress, 'spec', 'tls').length > 0 ? 'https' : 'http';
	return originFrom(scheme, host, pickText(address, 'hostname') || pickText(address, 'ip'));
}

function originOfRoute(route: KubeObject, gateways: readonly KubeObject[]): string | undefined {
	const [parent] = gatewaysOf([route]);
	const gateway = gateways.find(({ metadata }) => metadata.name === parent?.name && metadata.namespace === parent.namespace);
	const [listener] = pickList(gateway, 'spec', 'listeners');
	const host = pickList(route, 'spec', 'hostnames')[0];
	const scheme = pickText(listener, 'protocol') === 'HTTPS' ? 'https' : 'http';
	const port = pick(listener, 'port');
	const suffix = typeof port === 'number' && port !== (scheme === 'https' ? 443 : 80) ? `:${port}` : '';
	const origin = originFrom(scheme, typeof host === 'string' ? host : '', pickText(pickList(gateway, 'status', 'addresses')[0], 'value'));
	return origin && `${origin}${suffix}`;
}

/** A wildcard names no host that could be asked. */
function originFrom(scheme: 'http' | 'https', host: string, address: string): string | undefined {
	const name = host === '' || host.startsWith('*') ? address : host;
	return name === '' ? undefined : `${scheme}://${name.includes(':') ? `[${name}]` : name}`;
}
