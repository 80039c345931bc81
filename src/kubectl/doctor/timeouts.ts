/** Idle timeouts that stand on a route, its Service or a policy, and those that hold when nothing is said. Pure. Keys: facts of each controller. */
import { type KubeObject, pick, pickList, pickText } from '../../kube/object.ts';

export interface Timeout {
	readonly seconds: number;
	/** Where it stands. */
	readonly source: string;
}

/** Annotations of the route: `value` reads the seconds out of the text. */
const ANNOTATIONS: readonly { readonly key: string; readonly value: (text: string) => number | undefined }[] = [
	{ key: 'nginx.ingress.kubernetes.io/proxy-read-timeout', value: parseSeconds },
	{ key: 'nginx.ingress.kubernetes.io/proxy-send-timeout', value: parseSeconds },
	{ key: 'haproxy-ingress.github.io/timeout-tunnel', value: parseSeconds },
	{
		key: 'alb.ingress.kubernetes.io/load-balancer-attributes',
		value: (text) => parseSeconds(/idle_timeout\.timeout_seconds=(\d+)/.exec(text)?.[1] ?? ''),
	},
];

/** What holds where nothing is stated, by the class that people usually give the controller. */
const DEFAULTS: readonly { readonly className: string; readonly keyOf: string; readonly seconds: number; readonly source: string }[] = [
	{
		className: 'nginx',
		keyOf: 'nginx.ingress.kubernetes.io/proxy-read-timeout',
		seconds: 60,
		source: "nginx's default proxy-read-timeout",
	},
	{
		className: 'alb',
		keyOf: 'alb.ingress.kubernetes.io/load-balancer-attributes',
		seconds: 60,
		source: "the ALB's default idle timeout",
	},
];

/** Fields of policies that hold a duration, by kind. A request's time counts: a long poll and a WebSocket are requests. */
const POLICIES: Readonly<Record<string, readonly (readonly string[])[]>> = {
	BackendConfig: [['spec', 'timeoutSec']],
	GCPBackendPolicy: [['spec', 'default', 'timeoutSec']],
	BackendTrafficPolicy: [
		['spec', 'timeout', 'http', 'requestTimeout'],
		['spec', 'timeout', 'http', 'connectionIdleTimeout'],
	],
	DestinationRule: [['spec', 'trafficPolicy', 'connectionPool', 'http', 'idleTimeout']],
};

export function findTimeouts(route: KubeObject, services: readonly KubeObject[], policies: readonly KubeObject[]): readonly Timeout[] {
	return [
		...annotated(route),
		...assumed(route),
		...ofRules(route),
		...policies.filter((policy) => concerns(policy, route, services)).flatMap(ofPolicy),
	];
}

function annotated({ kind, metadata: { name, annotations = {} } }: KubeObject): readonly Timeout[] {
	return ANNOTATIONS.flatMap(({ key, value }) => {
		const seconds = value(annotations[key] ?? '');
		return seconds === undefined ? [] : [{ seconds, source: `${key} of ${kind} ${name}` }];
	});
}

function assumed(route: KubeObject): readonly Timeout[] {
	const { annotations = {}, name } = route.metadata;
	const className = pickText(route, 'spec', 'ingressClassName') || (annotations['kubernetes.io/ingress.class'] ?? '');
	return DEFAULTS.filter((each) => each.className === className && annotations[each.keyOf] === undefined).map(({ seconds, source }) => ({
		seconds,
		source: `${source} (nothing is set on ${route.kind} ${name})`,
	}));
}

/** `timeouts` of an HTTPRoute's rules. 0s means none. */
function ofRules(route: KubeObject): readonly Timeout[] {
	const { name } = route.metadata;
	return pickList(route, 'spec', 'rules').flatMap((rule) =>
		['request', 'backendRequest'].flatMap((field) => {
			const seconds = parseSeconds(pickText(rule, 'timeouts', field));
			return seconds ? [{ seconds, source: `timeouts.${field} of HTTPRoute ${name}` }] : [];
		}),
	);
}

function ofPolicy(policy: KubeObject): readonly Timeout[] {
	return (POLICIES[policy.kind] ?? []).flatMap((path) => {
		const value = pick(policy, ...path);
		const seconds = typeof value === 'number' ? value : typeof value === 'string' ? parseSeconds(value) : undefined;
		return seconds ? [{ seconds, source: `${path.slice(1).join('.')} of ${policy.kind} ${policy.metadata.name}` }] : [];
	});
}

function concerns(policy: KubeObject, route: KubeObject, services: readonly KubeObject[]): boolean {
	const { name } = policy.metadata;
	const isService = (wanted: string): boolean => services.some((service) => service.metadata.name === wanted);
	switch (policy.kind) {
		case 'BackendConfig':
			return services.some(({ metadata }) => (metadata.annotations?.['cloud.google.com/backend-config'] ?? '').includes(`"${name}"`));
		case 'GCPBackendPolicy':
			return isService(pickText(policy, 'spec', 'targetRef', 'name'));
		case 'BackendTrafficPolicy':
			return pickList(policy, 'spec', 'targetRefs').some((ref) => pickText(ref, 'name') === route.metadata.name);
		case 'DestinationRule':
			return isService(pickText(policy, 'spec', 'host').split('.')[0] ?? '');
		default:
			return false;
	}
}

const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** `60`, `60s`, `1h30m`, `500ms`; undefined for anything else. */
export function parseSeconds(text: string): number | undefined {
	if (/^\d+$/.test(text)) {
		return Number(text);
	}
	if (!/^(\d+(ms|[smh]))+$/.test(text)) {
		return undefined;
	}
	return [...text.matchAll(/(\d+)(ms|[smh])/g)].reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNITS[unit] ?? 0), 0);
}
