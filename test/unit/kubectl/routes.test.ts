import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../../src/kube/object.ts';
import { findRoutes, gatewaysOf, type RouteObjects } from '../../../src/kubectl/doctor/routes.ts';
import { findTimeouts, parseSeconds } from '../../../src/kubectl/doctor/timeouts.ts';
import { object } from '../../support/examination.ts';

const LABELS = { app: 'chat', tier: 'fleet' };
const SERVICE = object('Service', 'chat', { spec: { selector: { app: 'chat' } } });
const NONE: RouteObjects = { services: [SERVICE], ingresses: [], httpRoutes: [], gateways: [], policies: [] };

function ingress(
	more: {
		readonly metadata?: object;
		readonly host?: string;
		readonly tls?: readonly object[];
		readonly address?: object;
		readonly className?: string;
	} = {},
): KubeObject {
	const { metadata = {}, host, tls = [], address, className } = more;
	const http = { paths: [{ backend: { service: { name: 'chat' } } }] };
	return object('Ingress', 'chat', {
		metadata,
		spec: {
			tls,
			rules: [host === undefined ? { http } : { host, http }],
			...(className === undefined ? {} : { ingressClassName: className }),
		},
		status: { loadBalancer: { ingress: address ? [address] : [] } },
	});
}

function httpRoute(more: object = {}): KubeObject {
	return object('HTTPRoute', 'chat', {
		spec: { parentRefs: [{ name: 'public', namespace: 'gateways' }], rules: [{ backendRefs: [{ name: 'chat' }] }], ...more },
	});
}

const originsOf = (objects: Partial<RouteObjects>): (string | undefined)[] =>
	findRoutes({ ...NONE, ...objects }, LABELS).map(({ origin }) => origin);

test('the address of an Ingress: its host, or that of the balancer; https with TLS', () => {
	assert.deepEqual(originsOf({ ingresses: [ingress({ host: 'chat.example.com' })] }), ['http://chat.example.com']);
	assert.deepEqual(originsOf({ ingresses: [ingress({ host: 'chat.example.com', tls: [{}] })] }), ['https://chat.example.com']);
	assert.deepEqual(originsOf({ ingresses: [ingress({ address: { ip: '203.0.113.7' } })] }), ['http://203.0.113.7']);
	assert.deepEqual(originsOf({ ingresses: [ingress({ address: { ip: '2001:db8::1' } })] }), ['http://[2001:db8::1]']);
	assert.deepEqual(originsOf({ ingresses: [ingress({ host: '*.example.com', address: { hostname: 'lb.example.com' } })] }), [
		'http://lb.example.com',
	]);
	assert.deepEqual(originsOf({ ingresses: [ingress()] }), [undefined]);
});

test('the address of an HTTPRoute: its host name, or that of its Gateway, with the port of the listener', () => {
	const gateway = object('Gateway', 'public', {
		metadata: { namespace: 'gateways' },
		spec: { listeners: [{ port: 8443, protocol: 'HTTPS' }] },
		status: { addresses: [{ value: '203.0.113.9' }] },
	});
	assert.deepEqual(originsOf({ httpRoutes: [httpRoute({ hostnames: ['chat.example.com'] })], gateways: [gateway] }), [
		'https://chat.example.com:8443',
	]);
	assert.deepEqual(originsOf({ httpRoutes: [httpRoute()], gateways: [gateway] }), ['https://203.0.113.9:8443']);
	assert.deepEqual(originsOf({ httpRoutes: [httpRoute()] }), [undefined]);
	assert.deepEqual(gatewaysOf([httpRoute(), httpRoute()]), [{ namespace: 'gateways', name: 'public' }]);
});

test('only what leads to this fleet: by Services that select its pods and are not headless', () => {
	const other = object('Service', 'chat', { spec: { selector: { app: 'other' } } });
	const headless = object('Service', 'chat', { spec: { clusterIP: 'None', selector: { app: 'chat' } } });
	const everything = object('Service', 'chat', { spec: {} });
	for (const service of [other, headless, everything]) {
		assert.deepEqual(originsOf({ services: [service], ingresses: [ingress()], httpRoutes: [httpRoute()] }), []);
	}
});

const secondsOf = (route: KubeObject, policies: readonly KubeObject[] = [], services: readonly KubeObject[] = [SERVICE]): number[] =>
	findTimeouts(route, services, policies).map(({ seconds }) => seconds);

test('timeouts that are stated, by each controller in its way', () => {
	const annotated = (annotations: object): number[] => secondsOf(ingress({ metadata: { annotations } }));
	assert.deepEqual(
		annotated({ 'nginx.ingress.kubernetes.io/proxy-read-timeout': '20', 'nginx.ingress.kubernetes.io/proxy-send-timeout': '30' }),
		[20, 30],
	);
	assert.deepEqual(annotated({ 'haproxy-ingress.github.io/timeout-tunnel': '1h' }), [3600]);
	assert.deepEqual(annotated({ 'alb.ingress.kubernetes.io/load-balancer-attributes': 'a=b,idle_timeout.timeout_seconds=45' }), [45]);
	assert.deepEqual(annotated({ 'nginx.ingress.kubernetes.io/proxy-read-timeout': 'soon' }), []);
	assert.deepEqual(secondsOf(httpRoute({ rules: [{ timeouts: { request: '10s', backendRequest: '0s' } }] })), [10]);
});

test('timeouts that hold where nothing is said, by the class', () => {
	assert.deepEqual(secondsOf(ingress({ className: 'nginx' })), [60]);
	assert.deepEqual(secondsOf(ingress({ className: 'alb' })), [60]);
	assert.deepEqual(secondsOf(ingress({ className: 'traefik' })), []);
	const set = { annotations: { 'nginx.ingress.kubernetes.io/proxy-read-timeout': '3600' } };
	assert.deepEqual(secondsOf(ingress({ className: 'nginx', metadata: set })), [3600]);
});

test('timeouts of policies that concern the fleet', () => {
	const gke = object('Service', 'chat', {
		metadata: { annotations: { 'cloud.google.com/backend-config': '{"default": "chat"}' } },
		spec: {},
	});
	assert.deepEqual(secondsOf(ingress(), [object('BackendConfig', 'chat', { spec: { timeoutSec: 30 } })], [gke]), [30]);
	assert.deepEqual(secondsOf(ingress(), [object('BackendConfig', 'another', { spec: { timeoutSec: 30 } })], [gke]), []);
	const target = { targetRef: { kind: 'Service', name: 'chat' }, default: { timeoutSec: 31 } };
	assert.deepEqual(secondsOf(httpRoute(), [object('GCPBackendPolicy', 'p', { spec: target })]), [31]);
	const envoy = { targetRefs: [{ name: 'chat' }], timeout: { http: { requestTimeout: '0s', connectionIdleTimeout: '5m' } } };
	assert.deepEqual(secondsOf(httpRoute(), [object('BackendTrafficPolicy', 'p', { spec: envoy })]), [300]);
	const istio = { host: 'chat.demo.svc.cluster.local', trafficPolicy: { connectionPool: { http: { idleTimeout: '90s' } } } };
	assert.deepEqual(secondsOf(ingress(), [object('DestinationRule', 'p', { spec: istio })]), [90]);
});

test('durations', () => {
	assert.deepEqual(['60', '60s', '1h30m', '500ms', '', '1d', 's', '-1'].map(parseSeconds), [
		60,
		60,
		5400,
		0.5,
		undefined,
		undefined,
		undefined,
		undefined,
	]);
});
