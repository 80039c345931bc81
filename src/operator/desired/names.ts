/** Names, labels and the values that several objects must agree on. The same as `_helpers.tpl` of the chart. */
import { createHash } from 'node:crypto';
import { VERSION } from '../../config/version.ts';
import type { JsonObject } from '../api/field.ts';
import type { FleetSpec } from '../api/spec.ts';

/** What every builder is given. */
export interface FleetInput {
	readonly name: string;
	readonly namespace: string;
	readonly spec: FleetSpec;
}

export type Labels = Readonly<Record<string, string>>;

export const MANAGED_BY = 'socketfleet-operator';
/** Selects what this operator made, in a watch. */
export const MANAGED_SELECTOR = `app.kubernetes.io/managed-by=${MANAGED_BY}`;

const MAX_FLEET_NAME = 40;
/** Above the drain, so that the process ends by itself and says how. */
const GRACE_MARGIN_S = 5;
const DAY_S = 86_400;

export function instanceLabels(fleet: FleetInput): Labels {
	return { 'app.kubernetes.io/name': 'socketfleet', 'app.kubernetes.io/instance': fleet.name };
}

export function labels(fleet: FleetInput): Labels {
	return {
		...instanceLabels(fleet),
		'app.kubernetes.io/version': VERSION,
		'app.kubernetes.io/managed-by': MANAGED_BY,
		'app.kubernetes.io/part-of': 'socketfleet',
	};
}

/** The pods of the fleet; bundled Redis carries another component. */
export function selectorLabels(fleet: FleetInput): Labels {
	return { ...instanceLabels(fleet), 'app.kubernetes.io/component': 'fleet' };
}

export function redisLabels(fleet: FleetInput): Labels {
	return { ...instanceLabels(fleet), 'app.kubernetes.io/component': 'redis' };
}

export function imageOf({ image: { repository, tag, digest } }: FleetSpec): string {
	return digest === '' ? `${repository}:${tag || VERSION}` : `${repository}@${digest}`;
}

export function serviceAccountName({ name, spec: { serviceAccount } }: FleetInput): string {
	return serviceAccount.name || (serviceAccount.create ? name : 'default');
}

/** Namespace and name together, so that two fleets that share one Redis stay two. */
export function fleetName({ name, namespace, spec }: FleetInput): string {
	const full = `${namespace}-${name}`;
	const short = `${full.slice(0, 31).replace(/-$/, '')}-${createHash('sha256').update(full).digest('hex').slice(0, 8)}`;
	return spec.config.fleet ?? (full.length > MAX_FLEET_NAME ? short : full);
}

export function fleetKeySecretName({ name, spec }: FleetInput): string {
	return spec.fleetKey.existingSecret || `${name}-fleet-key`;
}

export function redisName({ name }: FleetInput): string {
	return `${name}-redis`;
}

export function redisSecretName(fleet: FleetInput): string {
	return fleet.spec.redis.bundled.existingSecret || redisName(fleet);
}

export function apiSecretName({ name, spec }: FleetInput): string {
	return spec.api.existingSecret || `${name}-api`;
}

/** Whether a proxy that speaks HTTP stands in front. */
export function isBehindProxy({ ingress, httpRoute }: FleetSpec): boolean {
	return ingress.enabled || httpRoute.enabled;
}

/** Whether the pod itself waits after it failed readiness; otherwise a preStop sleep waits. */
export function failsReadinessFirst({ drain, ingress }: FleetSpec): boolean {
	return drain.failReadinessFirst === 'true' || (drain.failReadinessFirst === 'auto' && ingress.controller === 'traefik');
}

/** Seconds from the first sign to the last cut connection. */
export function drainSeconds({ drain }: FleetSpec): number {
	return drain.delaySeconds + drain.spreadSeconds + drain.marginSeconds;
}

export function graceSeconds(spec: FleetSpec): number {
	return drainSeconds(spec) + GRACE_MARGIN_S;
}

/** The affinity cookie is Secure when TLS is in front, and when SameSite=None asks for it. */
export function isCookieSecure({ ingress }: FleetSpec): boolean {
	return ingress.tls.length > 0 || ingress.affinity.sameSite === 'None';
}

/** Balancers that always want a lifetime get a day. */
export function affinityDaySeconds({ ingress }: FleetSpec): number {
	return ingress.affinity.maxAgeSeconds || DAY_S;
}

/** Restricted Pod Security, for every container. */
export const CONTAINER_SECURITY: JsonObject = {
	allowPrivilegeEscalation: false,
	readOnlyRootFilesystem: true,
	capabilities: { drop: ['ALL'] },
};

export function podSecurity(uid: number): JsonObject {
	return { runAsNonRoot: true, runAsUser: uid, runAsGroup: uid, fsGroup: uid, seccompProfile: { type: 'RuntimeDefault' } };
}

/** `{ [key]: value }`, or nothing when the value is empty: as `with` in a template. */
export function optional<K extends string, V>(key: K, value: V): { readonly [P in K]?: V } {
	const empty =
		value === undefined || value === '' || value === 0 || (typeof value === 'object' && Object.keys(value as object).length === 0);
	return (empty ? {} : { [key]: value }) as { readonly [P in K]?: V };
}
