import assert from 'node:assert/strict';
import { test } from 'node:test';
import { find, get, type KubeObject, pick, renderChart, type Values } from '../support/kube-chart.ts';

interface Case {
	readonly name: string;
	readonly values: Values;
	/** What the Service and the Ingress carry, whole; and parts of the controller's own objects by `Kind:path`. */
	readonly service: Readonly<Record<string, string>> | undefined;
	readonly ingress: Readonly<Record<string, string>> | undefined;
	readonly className?: string;
	readonly objects?: Readonly<Record<string, unknown>>;
}

const route = { httpRoute: { enabled: true, parentRefs: [{ name: 'public' }] } };

function ingress(controller: string, extra: Values = {}): Values {
	return { ingress: { enabled: true, controller, ...extra } };
}

const CASES: readonly Case[] = [
	{
		name: 'traefik, cookie',
		values: ingress('traefik', { affinity: { cookieName: 'pod', sameSite: 'None', maxAgeSeconds: 600 } }),
		service: {
			'traefik.ingress.kubernetes.io/service.sticky.cookie': 'true',
			'traefik.ingress.kubernetes.io/service.sticky.cookie.name': 'pod',
			'traefik.ingress.kubernetes.io/service.sticky.cookie.httponly': 'true',
			'traefik.ingress.kubernetes.io/service.sticky.cookie.samesite': 'none',
			'traefik.ingress.kubernetes.io/service.sticky.cookie.secure': 'true',
			'traefik.ingress.kubernetes.io/service.sticky.cookie.maxage': '600',
		},
		ingress: undefined,
		className: 'traefik',
	},
	{
		name: 'traefik, none',
		values: ingress('traefik', { affinity: { mode: 'none' } }),
		service: undefined,
		ingress: undefined,
		className: 'traefik',
	},
	{
		name: 'haproxytech, cookie',
		values: ingress('haproxytech'),
		service: { 'haproxy.org/cookie-persistence': 'socketfleet', 'haproxy.org/load-balance': 'leastconn' },
		ingress: undefined,
		className: 'haproxy',
	},
	{
		name: 'haproxytech, source',
		values: ingress('haproxytech', { affinity: { mode: 'source' } }),
		service: { 'haproxy.org/load-balance': 'source' },
		ingress: undefined,
		className: 'haproxy',
	},
	{
		name: 'haproxy-ingress, cookie',
		values: ingress('haproxy-ingress', { affinity: { sameSite: 'None' } }),
		service: undefined,
		ingress: {
			'haproxy-ingress.github.io/affinity': 'cookie',
			'haproxy-ingress.github.io/session-cookie-name': 'socketfleet',
			'haproxy-ingress.github.io/session-cookie-strategy': 'insert',
			'haproxy-ingress.github.io/session-cookie-value-strategy': 'pod-uid',
			'haproxy-ingress.github.io/session-cookie-same-site': 'true',
			'haproxy-ingress.github.io/balance-algorithm': 'leastconn',
			'haproxy-ingress.github.io/timeout-tunnel': '3600s',
		},
		className: 'haproxy',
	},
	{
		name: 'haproxy-ingress, source',
		values: ingress('haproxy-ingress', { affinity: { mode: 'source' } }),
		service: undefined,
		ingress: { 'haproxy-ingress.github.io/balance-algorithm': 'source', 'haproxy-ingress.github.io/timeout-tunnel': '3600s' },
		className: 'haproxy',
	},
	{
		name: 'nginx, cookie over TLS',
		values: ingress('nginx', { tls: [{ secretName: 'tls' }], className: 'internal', path: '/chat' }),
		service: undefined,
		ingress: {
			'nginx.ingress.kubernetes.io/affinity': 'cookie',
			'nginx.ingress.kubernetes.io/affinity-mode': 'persistent',
			'nginx.ingress.kubernetes.io/session-cookie-name': 'socketfleet',
			'nginx.ingress.kubernetes.io/session-cookie-path': '/chat',
			'nginx.ingress.kubernetes.io/session-cookie-samesite': 'Lax',
			'nginx.ingress.kubernetes.io/session-cookie-change-on-failure': 'true',
			'nginx.ingress.kubernetes.io/session-cookie-secure': 'true',
			'nginx.ingress.kubernetes.io/proxy-read-timeout': '3600',
			'nginx.ingress.kubernetes.io/proxy-send-timeout': '3600',
		},
		className: 'internal',
	},
	{
		name: 'nginx, source; the own annotation wins',
		values: ingress('nginx', {
			affinity: { mode: 'source' },
			annotations: { 'nginx.ingress.kubernetes.io/proxy-read-timeout': '90' },
		}),
		service: undefined,
		ingress: {
			'nginx.ingress.kubernetes.io/upstream-hash-by': '$remote_addr',
			'nginx.ingress.kubernetes.io/proxy-read-timeout': '90',
			'nginx.ingress.kubernetes.io/proxy-send-timeout': '3600',
		},
		className: 'nginx',
	},
	{
		name: 'alb, cookie',
		values: { ...ingress('alb'), drain: { delaySeconds: 10, spreadSeconds: 20, marginSeconds: 5 } },
		service: undefined,
		ingress: {
			'alb.ingress.kubernetes.io/target-type': 'ip',
			'alb.ingress.kubernetes.io/target-group-attributes':
				'deregistration_delay.timeout_seconds=35,stickiness.enabled=true,stickiness.type=lb_cookie,stickiness.lb_cookie.duration_seconds=86400,load_balancing.algorithm.type=least_outstanding_requests',
			'alb.ingress.kubernetes.io/load-balancer-attributes': 'idle_timeout.timeout_seconds=3600',
			'alb.ingress.kubernetes.io/healthcheck-port': '9464',
			'alb.ingress.kubernetes.io/healthcheck-path': '/readyz',
		},
		className: 'alb',
	},
	{
		name: 'gke, Ingress',
		values: ingress('gke', { affinity: { mode: 'cookie', maxAgeSeconds: 600 } }),
		service: {
			'cloud.google.com/neg': '{"ingress": true}',
			'cloud.google.com/backend-config': '{"default": "sf"}',
		},
		ingress: { 'kubernetes.io/ingress.class': 'gce' },
		objects: {
			'BackendConfig:spec.sessionAffinity': { affinityType: 'GENERATED_COOKIE', affinityCookieTtlSec: 600 },
			'BackendConfig:spec.timeoutSec': 3600,
			'BackendConfig:spec.connectionDraining.drainingTimeoutSec': 35,
			'BackendConfig:spec.healthCheck': { type: 'HTTP', port: 9464, requestPath: '/readyz' },
		},
	},
	{
		name: 'gke, Gateway, source',
		values: { ingress: { controller: 'gke', affinity: { mode: 'source' } }, ...route },
		service: undefined,
		ingress: undefined,
		objects: {
			'GCPBackendPolicy:spec.default': {
				timeoutSec: 3600,
				connectionDraining: { drainingTimeoutSec: 35 },
				sessionAffinity: { type: 'CLIENT_IP' },
			},
			'GCPBackendPolicy:spec.targetRef': { group: '', kind: 'Service', name: 'sf' },
			'HealthCheckPolicy:spec.default.config.httpHealthCheck.requestPath': '/readyz',
		},
	},
	{
		name: 'istio, cookie',
		values: { ingress: { controller: 'istio' }, ...route },
		service: undefined,
		ingress: undefined,
		objects: {
			'DestinationRule:spec.host': 'sf.demo.svc.cluster.local',
			'DestinationRule:spec.trafficPolicy.loadBalancer': {
				consistentHash: { httpCookie: { name: 'socketfleet', path: '/', ttl: '0s' } },
			},
			'Service:spec.ports.0.appProtocol': 'http',
		},
	},
	{
		name: 'istio, source, by Ingress',
		values: ingress('istio', { affinity: { mode: 'source' } }),
		service: undefined,
		ingress: undefined,
		className: 'istio',
		objects: { 'DestinationRule:spec.trafficPolicy.loadBalancer': { consistentHash: { useSourceIp: true } } },
	},
	{
		name: 'envoy-gateway, cookie',
		values: { ingress: { controller: 'envoy-gateway' }, ...route },
		service: undefined,
		ingress: undefined,
		objects: {
			'BackendTrafficPolicy:spec.targetRefs': [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'sf' }],
			'BackendTrafficPolicy:spec.loadBalancer': {
				type: 'ConsistentHash',
				consistentHash: { type: 'Cookie', cookie: { name: 'socketfleet', ttl: '86400s', attributes: { SameSite: 'Lax' } } },
			},
			'BackendTrafficPolicy:spec.timeout.http': { requestTimeout: '0s', connectionIdleTimeout: '3600s' },
			'Service:spec.ports.0.appProtocol': 'kubernetes.io/ws',
		},
	},
	{
		name: 'none, source: the Service alone',
		values: { ingress: { affinity: { mode: 'source', maxAgeSeconds: 600 } } },
		service: undefined,
		ingress: undefined,
		objects: {
			'Service:spec.sessionAffinity': 'ClientIP',
			'Service:spec.sessionAffinityConfig': { clientIP: { timeoutSeconds: 600 } },
		},
	},
	{
		name: 'none, plain Ingress',
		values: ingress('none'),
		service: undefined,
		ingress: undefined,
		objects: { 'Service:spec.sessionAffinity': undefined },
	},
];

/** Kinds that belong to one controller: a case must render its own and no other. */
const OWN_KINDS = ['BackendConfig', 'GCPBackendPolicy', 'HealthCheckPolicy', 'DestinationRule', 'BackendTrafficPolicy'];

for (const { name, values, service, ingress: onIngress, className, objects = {} } of CASES) {
	test(`affinity: ${name}`, () => {
		const rendered = renderChart(values);
		assert.deepEqual(get(rendered, 'Service', 'sf').metadata.annotations, service);
		assert.deepEqual(find(rendered, 'Ingress')?.metadata.annotations, onIngress);
		assert.equal(pick(find(rendered, 'Ingress'), 'spec.ingressClassName'), className);
		for (const [place, expected] of Object.entries(objects)) {
			const [kind = '', path = ''] = place.split(':');
			assert.deepEqual(pick(get(rendered, kind, 'sf'), path), expected, place);
		}
		const expectedKinds = OWN_KINDS.filter((kind) => Object.keys(objects).some((place) => place.startsWith(`${kind}:`)));
		assert.deepEqual(
			rendered
				.map((object: KubeObject) => object.kind)
				.filter((kind) => OWN_KINDS.includes(kind))
				.sort(),
			expectedKinds.sort(),
		);
	});
}

test('a controller without Ingress or HTTPRoute renders nothing of its own', () => {
	for (const controller of ['traefik', 'gke', 'istio', 'envoy-gateway']) {
		const rendered = renderChart({ ingress: { controller } });
		assert.equal(get(rendered, 'Service', 'sf').metadata.annotations, undefined, controller);
		assert.deepEqual(
			rendered.filter((object) => OWN_KINDS.includes(object.kind)),
			[],
			controller,
		);
	}
});

test('HTTPRoute: hosts, path, and session persistence in the shape that was asked for', () => {
	const values = (shape: string): Values => ({
		ingress: { controller: 'envoy-gateway', hosts: ['chat.example.com'], path: '/rt', affinity: { maxAgeSeconds: 60 } },
		httpRoute: { enabled: true, parentRefs: [{ name: 'public' }], sessionPersistence: { enabled: true, shape } },
	});
	const released = renderChart(values('v1.4'));
	assert.deepEqual(get(released, 'HTTPRoute').spec, {
		parentRefs: [{ name: 'public' }],
		hostnames: ['chat.example.com'],
		rules: [
			{
				matches: [{ path: { type: 'PathPrefix', value: '/rt' } }],
				backendRefs: [{ name: 'sf', port: 80 }],
				sessionPersistence: {
					type: 'Cookie',
					sessionName: 'socketfleet',
					cookieConfig: { lifetimeType: 'Permanent' },
					absoluteTimeout: '60s',
				},
			},
		],
	});
	// The route's cookie and the policy's would be two.
	assert.deepEqual(pick(get(released, 'BackendTrafficPolicy'), 'spec.loadBalancer'), { type: 'LeastRequest' });
	assert.deepEqual(pick(get(renderChart(values('next')), 'HTTPRoute'), 'spec.rules.0.sessionPersistence.cookie'), {
		name: 'socketfleet',
		path: '/rt',
		lifetimeType: 'Permanent',
	});
	const plain = renderChart({ ingress: { controller: 'traefik' }, httpRoute: { enabled: true, parentRefs: [{ name: 'public' }] } });
	assert.equal(pick(get(plain, 'HTTPRoute'), 'spec.rules.0.sessionPersistence'), undefined);
});
