/** What a SocketFleet asks for. Keys, defaults and meaning are the chart's values; what differs is in `docs/operator/README.md`. */
import { REBALANCE_DEFAULTS } from '../../fleet/rebalance.ts';
import { configField } from './config-field.ts';
import {
	asInKubernetes,
	flag,
	listAsInKubernetes,
	numberOrPercent,
	type ObjectOf,
	object,
	objectName,
	oneOf,
	optionalNumberOrPercent,
	quantities,
	text,
	textMap,
	texts,
	whole,
} from './field.ts';
import { AUTOSCALING_RULES, PDB_RULES, REBALANCE_RULES, REDIS_RULES, ROLLOUT_RULES } from './rules.ts';

export const CONTROLLERS = ['traefik', 'haproxytech', 'haproxy-ingress', 'nginx', 'alb', 'gke', 'istio', 'envoy-gateway', 'none'] as const;
export type Controller = (typeof CONTROLLERS)[number];

const PULL_POLICIES = ['IfNotPresent', 'Always', 'Never'] as const;
const DURATION = '^([0-9]+(ms|s|m|h))+$';
const DAY_S = 86_400;
const YEAR_S = 31_536_000;

const image = object('Image of the pods.', {
	repository: text("The product's image, or one that starts FROM it and brings your application.", {
		default: 'ghcr.io/socketfleet/socketfleet',
		minLength: 1,
	}),
	tag: text("Tag. Empty: the operator's own version, so that an upgrade of the operator rolls the fleet."),
	digest: text('`sha256:...`; wins over the tag.', { pattern: '^(sha256:[0-9a-f]{64})?$' }),
	pullPolicy: oneOf('When the image is pulled.', 'IfNotPresent', PULL_POLICIES),
});

const app = object('The application.', {
	path: text("Path of the application's module inside the container. Empty: the demo, or the first of `files`.", { pattern: '^(/.+)?$' }),
	files: textMap('Small applications without an image of their own: file name to content, mounted at `/app`.', { maxLength: 500_000 }),
});

const drain = object('How a pod lets go of its connections.', {
	delaySeconds: whole(
		"Seconds between the start of a pod's end and its first closed connection: time for load balancers to notice.",
		15,
		0,
		600,
	),
	spreadSeconds: whole('Connections are closed evenly over this many seconds.', 10, 0, 3600),
	marginSeconds: whole('Seconds left for what still hangs; then it is cut.', 10, 1, 3000),
	failReadinessFirst: oneOf(
		'`"true"`: the pod fails readiness and then waits (Traefik needs that, since it follows its sticky cookie to a pod that is ready). `"false"`: a preStop sleep waits, and the pod stays ready. `auto`: true for Traefik.',
		'auto',
		['auto', 'true', 'false'],
	),
});

const bundled = object('The bundled Redis, for trials: no replica, no failover.', {
	image: object('Its image.', {
		repository: text('Repository.', { default: 'redis', minLength: 1 }),
		tag: text('Tag.', { default: '8', minLength: 1 }),
		pullPolicy: oneOf('When it is pulled.', 'IfNotPresent', PULL_POLICIES),
	}),
	existingSecret: objectName('A Secret of yours with the key `redis-password`. Empty: one is generated.'),
	maxMemoryMb: whole("Memory that Redis may fill, in MiB; the container's limit is a quarter above.", 256, 16, 65_536),
	resources: object('Resources.', { requests: quantities('Requests.', { cpu: '50m', memory: '64Mi' }) }),
	persistence: object(
		'Keeps the stream and the sessions over a restart (append-only file on a volume).',
		{
			enabled: flag('Ask for a volume.', false),
			size: text('Size of the volume.', { default: '1Gi', pattern: '^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti)$' }),
			storageClassName: objectName("Empty: the cluster's default class."),
		},
		[{ rule: 'self == oldSelf', message: "can't be changed: the volume of a StatefulSet is fixed; make a new SocketFleet" }],
	),
});

const redis = object(
	'The Redis through which the pods exchange messages.',
	{
		source: oneOf("`bundled`: one Redis of the fleet's own, for trials. `external`: yours. `none`: one pod, no recovery.", 'bundled', [
			'bundled',
			'external',
			'none',
		]),
		url: text(
			'External: `redis://` or `rediss://`; several, separated by commas, for Sentinel and Cluster. Put passwords into `existingSecret`.',
			{
				pattern: '^(rediss?://\\S+)?$',
			},
		),
		mode: oneOf('External: what the URL points at.', 'standalone', ['standalone', 'sentinel', 'cluster']),
		sentinelName: text("External: the master's name that the Sentinels watch.", { default: 'mymaster', minLength: 1 }),
		username: text('External: ACL user.'),
		existingSecret: object('External: a Secret of yours with the URL, the password, or both.', {
			name: objectName('Its name.'),
			urlKey: text('Its key of the URL. Empty: `url` is used.', { maxLength: 253 }),
			passwordKey: text('Its key of the password. Empty: none, or it is in the URL.', { maxLength: 253 }),
		}),
		tls: object('External: TLS.', {
			caConfigMap: objectName('ConfigMap with the certificate authority for `rediss://`. Empty: the ones that Node trusts.'),
			caKey: text('Its key.', { default: 'ca.crt', minLength: 1, maxLength: 253 }),
		}),
		bundled,
	},
	REDIS_RULES,
);

const service = object('The Service in front of the pods.', {
	type: oneOf('Kind of Service.', 'ClusterIP', ['ClusterIP', 'NodePort', 'LoadBalancer']),
	port: whole('Port of the Service.', 80, 1, 65_535),
	nodePort: whole('Node port, for `NodePort` and `LoadBalancer`; 0: one is chosen.', 0, 0, 65_535),
	externalTrafficPolicy: oneOf("`Local` keeps the client's address. For `NodePort` and `LoadBalancer`.", 'Cluster', ['Cluster', 'Local']),
	annotations: textMap('Annotations, for your load balancer.'),
	proxyProtocol: flag('The load balancer in front speaks the PROXY protocol; sets the address source.', false),
	appProtocol: text('Empty: `kubernetes.io/ws` with an HTTPRoute (`http` for Istio), nothing otherwise.'),
});

const ingress = object('What stands in front: the Ingress, and the affinity for Ingress and HTTPRoute alike.', {
	enabled: flag('Make an Ingress.', false),
	controller: oneOf(
		'The controller in front, for Ingress and HTTPRoute alike. Decides the affinity objects and annotations.',
		'none',
		CONTROLLERS,
	),
	className: objectName("Empty: the controller's usual class."),
	hosts: texts('Host names; empty: any host.', { pattern: '^(\\*\\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$', maxLength: 253 }),
	path: text('Path prefix.', { default: '/', pattern: '^/' }),
	tls: listAsInKubernetes('As in the Ingress API: `[{secretName, hosts}]`.'),
	annotations: textMap("More annotations for the Ingress; they win over the operator's own."),
	affinity: object('Affinity saves forwarding; sessions work without it.', {
		mode: oneOf(
			"`cookie`, `source` (client address) or `none`. With controller `none`: `source` sets the Service's `sessionAffinity: ClientIP`, `cookie` makes nothing.",
			'cookie',
			['cookie', 'source', 'none'],
		),
		cookieName: text('Name of the cookie. ALB and GKE choose their own.', { default: 'socketfleet', pattern: '^[A-Za-z0-9_-]+$' }),
		sameSite: oneOf('`None` also makes the cookie Secure, as browsers demand.', 'Lax', ['Lax', 'Strict', 'None']),
		maxAgeSeconds: whole("Lifetime of the affinity; 0: the browser's session (ALB, GKE and Envoy Gateway: one day).", 0, 0, YEAR_S),
	}),
	idleTimeoutSeconds: whole(
		'Idle timeout that is asked of the controller where it has one for each route. Must be above the ping interval.',
		3600,
		1,
		DAY_S,
	),
});

const httpRoute = object('A Gateway API HTTPRoute.', {
	enabled: flag('Make one.', false),
	parentRefs: listAsInKubernetes('Gateways to attach to: `[{name, namespace, sectionName}]`.'),
	sessionPersistence: object("The route's own session persistence.", {
		enabled: flag('Experimental channel of the Gateway API only; Envoy Gateway supports it.', false),
		shape: oneOf("The shape that your cluster's definition has.", 'v1.4', ['v1.4', 'next']),
	}),
});

const autoscaling = object(
	'A HorizontalPodAutoscaler of the SocketFleet itself, so that the operator chooses and drains the pods that go.',
	{
		enabled: flag('Make one. It then owns `replicas`.', false),
		minReplicas: whole('Fewest pods.', 3, 1, 1000),
		maxReplicas: whole('Most pods.', 20, 1, 1000),
		targetCpuPercent: whole('Average CPU in percent of the request; 0: not used.', 70, 0, 1000),
		targetConnections: whole(
			'Average connections of a pod; 0: not used. Needs custom metrics: of the operator, or of an adapter for Prometheus.',
			0,
			0,
			500_000,
		),
		targetEventLoopPercent: whole(
			"Average over the pods of the event loop utilisation of each pod's busiest worker, in percent; 0: not used. Needs custom metrics too.",
			0,
			0,
			95,
		),
		metrics: listAsInKubernetes('More metrics, as in `autoscaling/v2`.'),
		scaleDownWindowSeconds: whole('Seconds of low load before pods are removed; one pod for each drain.', 600, 0, 3600),
	},
	AUTOSCALING_RULES,
);

const pdb = object(
	'The PodDisruptionBudget.',
	{
		enabled: flag('Make one.', true),
		maxUnavailable: optionalNumberOrPercent('Pods that may be away at once, number or percent. 1 when `minAvailable` is not set either.'),
		minAvailable: optionalNumberOrPercent('Pods that must stay, number or percent.'),
		unhealthyPodEvictionPolicy: oneOf('`AlwaysAllow` lets a node with broken pods be drained; `IfHealthyBudget` does not.', 'AlwaysAllow', [
			'AlwaysAllow',
			'IfHealthyBudget',
		]),
	},
	PDB_RULES,
);

const rollout = object(
	'How pods are replaced.',
	{
		maxSurge: numberOrPercent('Pods above `replicas` during a roll-out, number or percent.', 1),
		maxUnavailable: numberOrPercent('Pods missing during a roll-out, number or percent.', 0),
		minReadySeconds: whole('Seconds that a pod must be ready before the next one goes.', 5, 0, 3600),
		paced: flag(
			"The operator drains each pod before it lets the Deployment remove it, and the next one only when it is gone: one pod's clients come back at a time. What follows needs it.",
			true,
		),
		maxSessionsPerSecond: whole(
			'Budget of the fleet: no drain of the operator, for a roll-out or a scale-down, closes more sessions in a second. A drain then takes longer than `drain.spreadSeconds` where it must. 0: no limit.',
			0,
			0,
			1_000_000,
		),
		minRecoveredPercent: whole(
			'The roll-out has failed when the new pods recover fewer of the clients that come back to them, in percent of at least 20. 0: not judged.',
			80,
			0,
			100,
		),
		maxErrorPercent: whole(
			'The roll-out has failed when the new pods turn away more connections, or fail to publish more messages, in percent of at least 20; and when their workers have died five times. 100: not judged.',
			5,
			0,
			100,
		),
		onFailure: oneOf(
			'What becomes of a roll-out that has failed. `stop`: no further pod is replaced. `rollBack`: the pods get the template of before; also when a new pod is not ready within ten minutes. Either way until the template or the bounds change, or the annotation `socketfleet.dev/resume` says to go on.',
			'stop',
			['stop', 'rollBack'],
		),
	},
	ROLLOUT_RULES,
);

const rebalance = object(
	'Moves connections from full pods to empty ones, as after a scale-up, by closes that clients recover from.',
	{
		enabled: flag('Do it.', REBALANCE_DEFAULTS.enabled),
		dryRun: flag('Only say what it would do, in status and Events.', false),
		startAtPercent: whole(
			"Starts when the fullest pod has this many percent of the pods' mean.",
			REBALANCE_DEFAULTS.startAtPercent,
			101,
			1000,
		),
		stopAtPercent: whole('Goes on until the fullest pod has no more than this.', REBALANCE_DEFAULTS.stopAtPercent, 100, 1000),
		maxPercentPerMinute: whole(
			"At most this share of the fleet's connections is closed in a minute.",
			REBALANCE_DEFAULTS.maxPercentPerMinute,
			1,
			100,
		),
		minConnections: whole('Fleets with fewer connections are left alone.', REBALANCE_DEFAULTS.minConnections, 1, 1_000_000),
	},
	REBALANCE_RULES,
);

const topologySpread = object('Spreads pods over nodes and zones.', {
	enabled: flag('Do it.', true),
	whenUnsatisfiable: oneOf('When it is not possible.', 'ScheduleAnyway', ['ScheduleAnyway', 'DoNotSchedule']),
	topologyKeys: texts('Node labels to spread over.', { minLength: 1 }, ['kubernetes.io/hostname', 'topology.kubernetes.io/zone']),
});

const networkPolicy = object("NetworkPolicies: the internal port for this fleet's pods only, Redis (bundled) for this fleet only.", {
	enabled: flag('Make them.', true),
	publicFrom: listAsInKubernetes('Who may reach the public port, as `from` in a NetworkPolicy; empty: everyone.'),
	adminFrom: listAsInKubernetes('Who may reach the admin port; empty: every pod of the cluster. The operator must be among them.'),
	apiFrom: listAsInKubernetes('Who may reach the API; empty: every pod of this namespace.'),
});

const serviceAccount = object("The pods' account. It has no rights.", {
	create: flag('Make one.', true),
	name: objectName("Empty: the fleet's name, or `default` when none is made."),
	automountToken: flag('Mount its token; only for applications that call the Kubernetes API.', false),
	annotations: textMap('Annotations of the account.'),
});

function scrape(description: string) {
	return object(description, {
		enabled: flag('Make one.', false),
		labels: textMap('Labels by which your Prometheus selects it.'),
		interval: text('Time between scrapes.', { default: '15s', pattern: DURATION }),
	});
}

export const SPEC_FIELDS = {
	replicas: whole('Pods. With autoscaling its owner is the autoscaler. More than one needs Redis.', 3, 0, 1000),
	image,
	imagePullSecrets: listAsInKubernetes('Names of Secrets for a private registry, as `[{name: ...}]`.'),
	app,
	config: configField('Options of the pod. What other fields say (ports, secrets, drain, Redis) is not accepted here.'),
	drain,
	redis,
	fleetKey: object('The key with which pods trust each other.', {
		existingSecret: objectName(
			'A Secret of yours with the keys `current` and (optional) `previous`, at least 16 characters each. Empty: one is generated.',
		),
		rotation: whole(
			'Rotates the generated key in two steps: raise by one (every pod learns the new key), roll out, raise by one again (pods use it).',
			0,
			0,
			1_000_000,
		),
	}),
	api: object('The HTTP API that emits to clients.', {
		enabled: flag('Open it, on a Service of its own.', false),
		existingSecret: objectName(
			'A Secret of yours with the key `tokens`: bearer tokens of at least 16 characters, separated by commas. Empty: one token is generated.',
		),
		port: whole("Port of the API's Service.", 9466, 1, 65_535),
	}),
	admin: object('The admin port.', {
		existingSecret: objectName('A Secret of yours with the key `token`, asked for by `/metrics` and `/status`. Empty: none is asked for.'),
	}),
	service,
	ingress,
	httpRoute,
	resources: object('`requests.cpu` is what CPU autoscaling measures against; the CPU limit decides how many workers a pod runs.', {
		requests: quantities('Requests.', { cpu: '1', memory: '512Mi' }),
		limits: quantities('Limits.', { cpu: '2', memory: '1Gi' }),
	}),
	autoscaling,
	pdb,
	rollout,
	rebalance,
	topologySpread,
	affinity: asInKubernetes('As in a pod.'),
	nodeSelector: textMap('As in a pod.'),
	tolerations: listAsInKubernetes('As in a pod.'),
	priorityClassName: objectName('As in a pod.'),
	podAnnotations: textMap('More annotations of the pods.'),
	podLabels: textMap('More labels of the pods.'),
	extraEnv: listAsInKubernetes('More environment of the container, as in a pod. For your application; options belong into `config`.'),
	extraVolumes: listAsInKubernetes('More volumes of the pod, as in a pod.'),
	extraVolumeMounts: listAsInKubernetes('More mounts of the container, as in a pod.'),
	serviceAccount,
	networkPolicy,
	monitoring: object('For the Prometheus operator.', {
		podMonitor: scrape('A PodMonitor. Use this or the ServiceMonitor, not both.'),
		serviceMonitor: scrape('A ServiceMonitor: the same over the headless Service.'),
	}),
};

/** As the API server gives it: every default filled in. */
export type FleetSpec = ObjectOf<typeof SPEC_FIELDS>;
