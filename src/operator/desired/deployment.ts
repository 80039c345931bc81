/** The Deployment of the pods. */
import { createHash } from 'node:crypto';
import { AFFINITY_ANNOTATION } from '../../fleet/deployment.ts';
import { type KubeObject, pick, pickNumber } from '../../kube/object.ts';
import type { JsonObject } from '../api/field.ts';
import { TEMPLATE_ANNOTATION } from '../api/fleet.ts';
import type { FleetSpec } from '../api/spec.ts';
import { buildEnv } from './env.ts';
import {
	CONTAINER_SECURITY,
	type FleetInput,
	failsReadinessFirst,
	graceSeconds,
	imageOf,
	optional,
	podSecurity,
	selectorLabels,
	serviceAccountName,
} from './names.ts';
import { frame } from './object.ts';
import { shortHash } from './short-hash.ts';

/** What the plan decides anew each time. */
export interface DeploymentSteering {
	readonly replicas: number;
	/** Instead of what the spec says. */
	readonly template?: PodTemplate | undefined;
	/** While the operator leads a roll-out. */
	readonly gate?: RolloutGate | undefined;
}

export interface PodTemplate {
	/** Of what was asked for; the API server writes it otherwise. */
	readonly hash: string;
	readonly body: JsonObject;
}

/**
 * No new pod counts as available, however long it is ready: so a Deployment removes as many old pods as `maxUnavailable` allows in all, and
 * then no more, whether an operator runs or not.
 * https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/controller/deployment/rolling.go (reconcileOldReplicaSets)
 */
export interface RolloutGate {
	readonly maxUnavailable: number;
}

/** A year. */
const NEVER_S = 31_536_000;
/** Must be above minReadySeconds; this one means none. */
const NO_DEADLINE_S = 2_147_483_647;

export function buildDeployment(fleet: FleetInput, steering: DeploymentSteering): KubeObject {
	const { hash, body } = steering.template ?? buildPodTemplate(fleet);
	return frame(
		fleet,
		'Deployment',
		{ annotations: { [TEMPLATE_ANNOTATION]: hash, [AFFINITY_ANNOTATION]: fleet.spec.ingress.affinity.mode } },
		{
			spec: {
				replicas: steering.replicas,
				...pace(fleet.spec.rollout, steering.gate),
				selector: { matchLabels: selectorLabels(fleet) },
				template: body,
			},
		},
	);
}

export function buildPodTemplate(fleet: FleetInput): PodTemplate {
	const body = { metadata: podMetadata(fleet), spec: podSpec(fleet) };
	return { hash: shortHash(body), body };
}

/** That of a Deployment that is there. */
export function readPodTemplate(deployment: KubeObject): PodTemplate {
	return {
		hash: deployment.metadata.annotations?.[TEMPLATE_ANNOTATION] ?? '',
		body: pick(deployment, 'spec', 'template') as JsonObject,
	};
}

export function readGate(deployment: KubeObject): RolloutGate | undefined {
	const maxUnavailable = pickNumber(deployment, ['spec', 'strategy', 'rollingUpdate', 'maxUnavailable']);
	return pick(deployment, 'spec', 'minReadySeconds') === NEVER_S ? { maxUnavailable } : undefined;
}

function pace({ minReadySeconds, maxSurge, maxUnavailable }: FleetSpec['rollout'], gate: RolloutGate | undefined): JsonObject {
	return {
		...(gate ? { minReadySeconds: NEVER_S, progressDeadlineSeconds: NO_DEADLINE_S } : { minReadySeconds }),
		strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable: gate?.maxUnavailable ?? maxUnavailable } },
	};
}

function podMetadata(fleet: FleetInput): JsonObject {
	const { fleetKey, app, podAnnotations, podLabels } = fleet.spec;
	return {
		labels: { ...podLabels, ...selectorLabels(fleet) },
		annotations: {
			// A change of what the pod reads at its start rolls the pods.
			'socketfleet.dev/fleet-key-rotation': String(fleetKey.rotation),
			...(Object.keys(app.files).length === 0 ? {} : { 'checksum/app': checksum(app.files) }),
			...podAnnotations,
		},
	};
}

/** Of the files in the order of their names, as `toJson` in a template gives it. */
function checksum(files: Readonly<Record<string, string>>): string {
	const sorted = Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
	return createHash('sha256').update(goJson(sorted)).digest('hex');
}

/** Go's encoder escapes what HTML could misread. */
function goJson(value: JsonObject): string {
	return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function podSpec(fleet: FleetInput): JsonObject {
	const { spec } = fleet;
	return {
		serviceAccountName: serviceAccountName(fleet),
		automountServiceAccountToken: spec.serviceAccount.automountToken,
		enableServiceLinks: false,
		terminationGracePeriodSeconds: graceSeconds(spec),
		securityContext: podSecurity(1000),
		...optional('imagePullSecrets', spec.imagePullSecrets),
		containers: [container(fleet)],
		volumes: volumes(fleet),
		...(spec.topologySpread.enabled ? { topologySpreadConstraints: spreadConstraints(fleet) } : {}),
		...optional('affinity', spec.affinity),
		...optional('nodeSelector', spec.nodeSelector),
		...optional('tolerations', spec.tolerations),
		...optional('priorityClassName', spec.priorityClassName),
	};
}

function container(fleet: FleetInput): JsonObject {
	const { spec } = fleet;
	return {
		name: 'socketfleet',
		image: imageOf(spec),
		imagePullPolicy: spec.image.pullPolicy,
		securityContext: CONTAINER_SECURITY,
		env: buildEnv(fleet),
		ports: [
			{ name: 'http', containerPort: 3000 },
			{ name: 'admin', containerPort: 9464 },
			{ name: 'internal', containerPort: 9465 },
			...(spec.api.enabled ? [{ name: 'api', containerPort: 9466 }] : []),
		],
		startupProbe: { httpGet: { path: '/livez', port: 'admin' }, periodSeconds: 1, failureThreshold: 60 },
		livenessProbe: { httpGet: { path: '/livez', port: 'admin' }, periodSeconds: 10, timeoutSeconds: 3 },
		// Twice two seconds: what drain.delaySeconds has to cover.
		readinessProbe: { httpGet: { path: '/readyz', port: 'admin' }, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2 },
		...lifecycle(spec),
		resources: { ...optional('requests', spec.resources.requests), ...optional('limits', spec.resources.limits) },
		volumeMounts: [
			{ name: 'tmp', mountPath: '/tmp' },
			...(hasFiles(spec) ? [{ name: 'app', mountPath: '/app', readOnly: true }] : []),
			...(mountsCa(spec) ? [{ name: 'redis-ca', mountPath: '/etc/socketfleet/redis-ca', readOnly: true }] : []),
			...spec.extraVolumeMounts,
		],
	};
}

function lifecycle(spec: FleetSpec): JsonObject {
	const { delaySeconds } = spec.drain;
	return failsReadinessFirst(spec) || delaySeconds === 0 ? {} : { lifecycle: { preStop: { sleep: { seconds: delaySeconds } } } };
}

function volumes({ name, spec }: FleetInput): JsonObject[] {
	return [
		// The root file system is read-only; the workers' sockets live here.
		{ name: 'tmp', emptyDir: { sizeLimit: '64Mi' } },
		...(hasFiles(spec) ? [{ name: 'app', configMap: { name: `${name}-app` } }] : []),
		...(mountsCa(spec) ? [{ name: 'redis-ca', configMap: { name: spec.redis.tls.caConfigMap } }] : []),
		...spec.extraVolumes,
	];
}

function spreadConstraints(fleet: FleetInput): JsonObject[] {
	const { topologyKeys, whenUnsatisfiable } = fleet.spec.topologySpread;
	return topologyKeys.map((topologyKey) => ({
		maxSkew: 1,
		topologyKey,
		whenUnsatisfiable,
		// Only pods of one version count, or the old ones would push the new ones together.
		matchLabelKeys: ['pod-template-hash'],
		// A node that takes no pods (control plane, cordoned) is no place that stays too empty.
		nodeTaintsPolicy: 'Honor',
		labelSelector: { matchLabels: selectorLabels(fleet) },
	}));
}

function hasFiles({ app }: FleetSpec): boolean {
	return Object.keys(app.files).length > 0;
}

function mountsCa({ redis }: FleetSpec): boolean {
	return redis.source === 'external' && redis.tls.caConfigMap !== '';
}
