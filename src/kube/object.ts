/** Kubernetes objects as plain JSON, their keys, and the resources that this product reads or writes. */

export interface OwnerReference {
	readonly apiVersion: string;
	readonly kind: string;
	readonly name: string;
	readonly uid: string;
	readonly controller?: boolean;
	readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
	readonly name: string;
	readonly namespace?: string;
	readonly uid?: string;
	readonly resourceVersion?: string;
	readonly generation?: number;
	readonly creationTimestamp?: string;
	readonly deletionTimestamp?: string;
	readonly finalizers?: readonly string[];
	readonly labels?: Readonly<Record<string, string>>;
	readonly annotations?: Readonly<Record<string, string>>;
	readonly ownerReferences?: readonly OwnerReference[];
}

export interface KubeObject {
	readonly apiVersion: string;
	readonly kind: string;
	readonly metadata: ObjectMeta;
	readonly [field: string]: unknown;
}

/** `namespace/name`. */
export type ObjectKey = string & { readonly brand: 'ObjectKey' };

export interface ObjectRef {
	readonly namespace: string;
	readonly name: string;
}

export function keyOf({ namespace = '', name }: Pick<ObjectMeta, 'namespace' | 'name'>): ObjectKey {
	return `${namespace}/${name}` as ObjectKey;
}

export function refOf(key: ObjectKey): ObjectRef {
	const [namespace = '', name = ''] = key.split('/');
	return { namespace, name };
}

/** The controller of an object, if it has one. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
	return object.metadata.ownerReferences?.find(({ controller }) => controller === true);
}

/** `pick(object, 'spec', 'replicas')`; undefined where the path ends. */
export function pick(value: unknown, ...path: readonly string[]): unknown {
	let at = value;
	for (const step of path) {
		at = typeof at === 'object' && at !== null ? (at as Readonly<Record<string, unknown>>)[step] : undefined;
	}
	return at;
}

/** A text at the path, or nothing. */
export function pickText(value: unknown, ...path: readonly string[]): string {
	const found = pick(value, ...path);
	return typeof found === 'string' ? found : '';
}

/** A whole number at the path, or the fallback. */
export function pickNumber(value: unknown, path: readonly string[], fallback = 0): number {
	const found = pick(value, ...path);
	return typeof found === 'number' ? found : fallback;
}

/** The list at the path; empty where there is none. */
export function pickList(value: unknown, ...path: readonly string[]): readonly unknown[] {
	const found = pick(value, ...path);
	return Array.isArray(found) ? found : [];
}

/** What a Secret holds under that key; empty where there is nothing. */
export function secretText(secret: KubeObject | undefined, key: string): string {
	return Buffer.from(pickText(secret, 'data', key), 'base64').toString();
}

/** Labels as the text of a selector. */
export function toSelector(labels: Readonly<Record<string, string>>): string {
	return Object.entries(labels)
		.map(([key, value]) => `${key}=${value}`)
		.join(',');
}

export interface Resource {
	/** Empty for the core group. */
	readonly group: string;
	readonly version: string;
	readonly kind: string;
	readonly plural: string;
}

function resource(group: string, version: string, kind: string, plural: string): Resource {
	return { group, version, kind, plural };
}

export const RESOURCES = {
	APIService: resource('apiregistration.k8s.io', 'v1', 'APIService', 'apiservices'),
	BackendConfig: resource('cloud.google.com', 'v1', 'BackendConfig', 'backendconfigs'),
	BackendTrafficPolicy: resource('gateway.envoyproxy.io', 'v1alpha1', 'BackendTrafficPolicy', 'backendtrafficpolicies'),
	ConfigMap: resource('', 'v1', 'ConfigMap', 'configmaps'),
	Deployment: resource('apps', 'v1', 'Deployment', 'deployments'),
	DestinationRule: resource('networking.istio.io', 'v1', 'DestinationRule', 'destinationrules'),
	Event: resource('', 'v1', 'Event', 'events'),
	GCPBackendPolicy: resource('networking.gke.io', 'v1', 'GCPBackendPolicy', 'gcpbackendpolicies'),
	Gateway: resource('gateway.networking.k8s.io', 'v1', 'Gateway', 'gateways'),
	HTTPRoute: resource('gateway.networking.k8s.io', 'v1', 'HTTPRoute', 'httproutes'),
	HealthCheckPolicy: resource('networking.gke.io', 'v1', 'HealthCheckPolicy', 'healthcheckpolicies'),
	HorizontalPodAutoscaler: resource('autoscaling', 'v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers'),
	Ingress: resource('networking.k8s.io', 'v1', 'Ingress', 'ingresses'),
	Lease: resource('coordination.k8s.io', 'v1', 'Lease', 'leases'),
	NetworkPolicy: resource('networking.k8s.io', 'v1', 'NetworkPolicy', 'networkpolicies'),
	Pod: resource('', 'v1', 'Pod', 'pods'),
	PodDisruptionBudget: resource('policy', 'v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
	PodMonitor: resource('monitoring.coreos.com', 'v1', 'PodMonitor', 'podmonitors'),
	ReplicaSet: resource('apps', 'v1', 'ReplicaSet', 'replicasets'),
	Secret: resource('', 'v1', 'Secret', 'secrets'),
	Service: resource('', 'v1', 'Service', 'services'),
	ServiceAccount: resource('', 'v1', 'ServiceAccount', 'serviceaccounts'),
	ServiceMonitor: resource('monitoring.coreos.com', 'v1', 'ServiceMonitor', 'servicemonitors'),
	SocketFleet: resource('socketfleet.dev', 'v1alpha1', 'SocketFleet', 'socketfleets'),
	StatefulSet: resource('apps', 'v1', 'StatefulSet', 'statefulsets'),
	SubjectAccessReview: resource('authorization.k8s.io', 'v1', 'SubjectAccessReview', 'subjectaccessreviews'),
} as const satisfies Readonly<Record<string, Resource>>;

export type Kind = keyof typeof RESOURCES;

export function apiVersionOf({ group, version }: Resource): string {
	return group === '' ? version : `${group}/${version}`;
}

/** Path of a collection, or of one object when `name` is given. */
export function pathOf(resource: Resource, namespace: string | undefined, name?: string): string {
	const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
	const scope = namespace === undefined || namespace === '' ? '' : `/namespaces/${namespace}`;
	return `${root}${scope}/${resource.plural}${name === undefined ? '' : `/${name}`}`;
}
