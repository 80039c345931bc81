/** Everything that a fleet consists of. Adding an object is a builder and a line here. */
import type { Kind, KubeObject } from '../../kube/object.ts';
import { affinityOf } from './affinity/dispatch.ts';
import { buildAppConfigMap } from './app-config-map.ts';
import { buildDeployment, type DeploymentSteering } from './deployment.ts';
import { buildHpa } from './hpa.ts';
import { buildHttpRoute } from './http-route.ts';
import { buildIngress } from './ingress.ts';
import { buildPodMonitor, buildServiceMonitor } from './monitors.ts';
import type { FleetInput } from './names.ts';
import { buildNetworkPolicy, buildRedisNetworkPolicy } from './network-policies.ts';
import { buildPdb } from './pdb.ts';
import { buildRedisService, buildRedisStatefulSet } from './redis.ts';
import { buildApiSecret, buildFleetKeySecret, buildRedisSecret, type RandomWord, type SecretLookup } from './secrets.ts';
import { buildServiceAccount } from './service-account.ts';
import { buildApiService, buildHeadlessService, buildService } from './services.ts';

/** Kinds that a fleet may consist of, always served by an API server. */
export const CORE_KINDS = [
	'ConfigMap',
	'Deployment',
	'HorizontalPodAutoscaler',
	'Ingress',
	'NetworkPolicy',
	'PodDisruptionBudget',
	'Secret',
	'Service',
	'ServiceAccount',
	'StatefulSet',
] as const satisfies readonly Kind[];

/** Kinds of other projects: there only when their definitions are installed. */
export const OPTIONAL_KINDS = [
	'BackendConfig',
	'BackendTrafficPolicy',
	'DestinationRule',
	'GCPBackendPolicy',
	'HTTPRoute',
	'HealthCheckPolicy',
	'PodMonitor',
	'ServiceMonitor',
] as const satisfies readonly Kind[];

export type ChildKind = (typeof CORE_KINDS)[number] | (typeof OPTIONAL_KINDS)[number];

export interface DesiredContext {
	readonly steering: DeploymentSteering;
	readonly lookup: SecretLookup;
	readonly random: RandomWord;
}

/** In the order in which they are applied: what pods need comes before them. */
export function buildDesired(fleet: FleetInput, { steering, lookup, random }: DesiredContext): readonly KubeObject[] {
	const objects = [
		buildServiceAccount(fleet),
		buildFleetKeySecret(fleet, lookup, random),
		buildRedisSecret(fleet, lookup, random),
		buildApiSecret(fleet, lookup, random),
		buildAppConfigMap(fleet),
		buildRedisService(fleet),
		buildRedisStatefulSet(fleet),
		buildRedisNetworkPolicy(fleet),
		buildNetworkPolicy(fleet),
		buildService(fleet),
		buildHeadlessService(fleet),
		buildApiService(fleet),
		buildPdb(fleet),
		buildDeployment(fleet, steering),
		buildHpa(fleet),
		buildIngress(fleet),
		buildHttpRoute(fleet),
		...(affinityOf(fleet.spec).objects?.(fleet) ?? []),
		buildPodMonitor(fleet),
		buildServiceMonitor(fleet),
	];
	return objects.filter((object) => object !== undefined);
}
