/** The options table and the chart's own values -> helm/socketfleet/values.schema.json. Unknown keys are refused. */
import { OPTION_KEYS, type OptionSpec, specOf } from '../src/config/schema.ts';
import { SET_BY_DEPLOYMENT } from '../src/config/set-by-deployment.ts';
import { alertValues } from './alerts/rules.ts';

export interface JsonSchema {
	readonly [keyword: string]: unknown;
}

const text = (extra: JsonSchema = {}): JsonSchema => ({ type: 'string', ...extra });
const name = text({ pattern: '^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$', maxLength: 253 });
const flag: JsonSchema = { type: 'boolean' };
const whole = (minimum: number, maximum: number): JsonSchema => ({ type: 'integer', minimum, maximum });
const oneOf = (...values: readonly (string | boolean)[]): JsonSchema => ({ enum: values });
/** Kubernetes' own shapes: the API server checks them better than a copy of its schema would. */
const asInKubernetes: JsonSchema = { type: 'object' };
const listAsInKubernetes: JsonSchema = { type: 'array', items: { type: 'object' } };
const stringMap: JsonSchema = { type: 'object', additionalProperties: { type: 'string' } };
const pullPolicy = oneOf('IfNotPresent', 'Always', 'Never');
const numberOrPercent: JsonSchema = { anyOf: [whole(0, 10_000), text({ pattern: '^(100|[1-9]?[0-9])%$' })] };
const duration = text({ pattern: '^([0-9]+(ms|s|m|h|d))+$' });

function object(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
	return { type: 'object', additionalProperties: false, properties };
}

function orNull(schema: JsonSchema): JsonSchema {
	return { anyOf: [schema, { type: 'null' }] };
}

function optionSchema(spec: OptionSpec): JsonSchema {
	switch (spec.type) {
		case 'string':
			return text(spec.pattern ? { pattern: spec.pattern.source } : {});
		case 'integer':
			return whole(spec.min, spec.max);
		case 'boolean':
			return flag;
		case 'enum':
			return oneOf(...spec.values);
		case 'list':
			return { type: 'array', items: text(spec.itemPattern ? { pattern: spec.itemPattern.source } : {}) };
		case 'workers':
			return { anyOf: [whole(spec.min, spec.max), { const: 'auto' }] };
	}
}

function configSchema(): JsonSchema {
	const accepted = OPTION_KEYS.filter((key) => !SET_BY_DEPLOYMENT.has(key));
	return object(Object.fromEntries(accepted.map((key) => [key, { description: specOf(key).doc, ...optionSchema(specOf(key)) }])));
}

function alertsSchema(): JsonSchema {
	const schemas = Object.entries(alertValues()).map(([key, values]): [string, JsonSchema] => [
		key,
		object(Object.fromEntries(Object.keys(values).map((name) => [name, name === 'enabled' ? flag : duration]))),
	]);
	return object(Object.fromEntries(schemas));
}

const redis = object({
	source: oneOf('bundled', 'external', 'none'),
	url: text({ pattern: '^(rediss?://\\S+)?$' }),
	mode: oneOf('standalone', 'sentinel', 'cluster'),
	sentinelName: text({ minLength: 1 }),
	username: text(),
	existingSecret: object({ name, urlKey: text(), passwordKey: text() }),
	tls: object({ caConfigMap: name, caKey: text({ minLength: 1 }) }),
	bundled: object({
		image: object({ repository: text({ minLength: 1 }), tag: text({ minLength: 1 }), pullPolicy }),
		existingSecret: name,
		maxMemoryMb: whole(16, 65_536),
		resources: object({ requests: asInKubernetes }),
		persistence: object({ enabled: flag, size: text({ pattern: '^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti)$' }), storageClassName: name }),
	}),
});

const ingress = object({
	enabled: flag,
	controller: oneOf('traefik', 'haproxytech', 'haproxy-ingress', 'nginx', 'alb', 'gke', 'istio', 'envoy-gateway', 'none'),
	className: name,
	hosts: { type: 'array', items: text({ pattern: '^(\\*\\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$' }), uniqueItems: true },
	path: text({ pattern: '^/' }),
	tls: listAsInKubernetes,
	annotations: stringMap,
	affinity: object({
		mode: oneOf('cookie', 'source', 'none'),
		cookieName: text({ pattern: '^[A-Za-z0-9_-]+$' }),
		sameSite: oneOf('Lax', 'Strict', 'None'),
		maxAgeSeconds: whole(0, 31_536_000),
	}),
	idleTimeoutSeconds: whole(1, 86_400),
});

const scrape = object({ enabled: flag, labels: stringMap, interval: duration });

const VALUES = object({
	global: asInKubernetes,
	fullnameOverride: text({ pattern: '^([a-z]([a-z0-9-]*[a-z0-9])?)?$', maxLength: 50 }),
	replicas: whole(0, 1000),
	image: object({
		repository: text({ minLength: 1 }),
		tag: text(),
		digest: text({ pattern: '^(sha256:[0-9a-f]{64})?$' }),
		pullPolicy,
	}),
	imagePullSecrets: listAsInKubernetes,
	app: object({
		path: text({ pattern: '^(/.+)?$' }),
		files: { type: 'object', additionalProperties: false, patternProperties: { '^[A-Za-z0-9._-]+$': text() } },
	}),
	config: configSchema(),
	drain: object({
		delaySeconds: whole(0, 600),
		spreadSeconds: whole(0, 3600),
		marginSeconds: whole(1, 3000),
		failReadinessFirst: oneOf('auto', true, false),
	}),
	redis,
	fleetKey: object({ existingSecret: name, rotation: whole(0, 1_000_000) }),
	api: object({ enabled: flag, existingSecret: name, port: whole(1, 65_535) }),
	admin: object({ existingSecret: name }),
	service: object({
		type: oneOf('ClusterIP', 'NodePort', 'LoadBalancer'),
		port: whole(1, 65_535),
		nodePort: { anyOf: [{ const: 0 }, whole(1024, 65_535)] },
		externalTrafficPolicy: oneOf('Cluster', 'Local'),
		annotations: stringMap,
		proxyProtocol: flag,
		appProtocol: text(),
	}),
	ingress,
	httpRoute: object({
		enabled: flag,
		parentRefs: listAsInKubernetes,
		sessionPersistence: object({ enabled: flag, shape: oneOf('v1.4', 'next') }),
	}),
	resources: object({ requests: asInKubernetes, limits: asInKubernetes, claims: listAsInKubernetes }),
	autoscaling: object({
		enabled: flag,
		minReplicas: whole(1, 1000),
		maxReplicas: whole(1, 1000),
		targetCpuPercent: whole(0, 1000),
		targetConnections: whole(0, 500_000),
		targetEventLoopPercent: whole(0, 95),
		metrics: listAsInKubernetes,
		scaleDownWindowSeconds: whole(0, 3600),
	}),
	pdb: object({
		enabled: flag,
		maxUnavailable: orNull(numberOrPercent),
		minAvailable: orNull(numberOrPercent),
		unhealthyPodEvictionPolicy: oneOf('AlwaysAllow', 'IfHealthyBudget'),
	}),
	rollout: object({ maxSurge: numberOrPercent, maxUnavailable: numberOrPercent, minReadySeconds: whole(0, 3600) }),
	topologySpread: object({
		enabled: flag,
		whenUnsatisfiable: oneOf('ScheduleAnyway', 'DoNotSchedule'),
		topologyKeys: { type: 'array', items: text({ minLength: 1 }), minItems: 1 },
	}),
	affinity: asInKubernetes,
	nodeSelector: stringMap,
	tolerations: listAsInKubernetes,
	priorityClassName: name,
	podAnnotations: stringMap,
	podLabels: stringMap,
	extraEnv: listAsInKubernetes,
	extraVolumes: listAsInKubernetes,
	extraVolumeMounts: listAsInKubernetes,
	serviceAccount: object({ create: flag, name, automountToken: flag, annotations: stringMap }),
	networkPolicy: object({
		enabled: flag,
		publicFrom: listAsInKubernetes,
		adminFrom: listAsInKubernetes,
		apiFrom: listAsInKubernetes,
	}),
	monitoring: object({
		podMonitor: scrape,
		serviceMonitor: scrape,
		rules: object({ enabled: flag, labels: stringMap, runbookBase: text({ pattern: '^https?://' }), alerts: alertsSchema() }),
		dashboards: object({ enabled: flag, labels: stringMap, annotations: stringMap }),
	}),
	tests: object({ namespace: text({ pattern: '^/' }), auth: asInKubernetes }),
});

/** The whole file, formatted. */
export function renderValuesSchema(): string {
	return `${JSON.stringify({ $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'Values of the socketfleet chart', ...VALUES }, null, '\t')}\n`;
}
