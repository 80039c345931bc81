import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusalOf, type Values } from '../support/kube-chart.ts';

const external = { source: 'external', url: 'redis://redis.example.com:6379' };

/** Wrong values, and the sentence that each must give. The first part is the schema's, the second the templates'. */
const WRONG: readonly (readonly [what: string, values: Values, sentence: string])[] = [
	['unknown key', { replicaCount: 3 }, "additional properties 'replicaCount' not allowed"],
	['unknown key, nested', { ingress: { affinty: {} } }, "at '/ingress': additional properties 'affinty' not allowed"],
	['unknown controller', { ingress: { controller: 'caddy' } }, "at '/ingress/controller': value must be one of 'traefik'"],
	['unknown option', { config: { pingInterval: 1 } }, "at '/config': additional properties 'pingInterval' not allowed"],
	['an option that the chart derives', { config: { port: 8080 } }, "at '/config': additional properties 'port' not allowed"],
	['a secret in plain values', { config: { fleetKey: 'x' } }, "at '/config': additional properties 'fleetKey' not allowed"],
	['option below its range', { config: { pingIntervalMs: 1 } }, "at '/config/pingIntervalMs': minimum: got 1, want 100"],
	['option of a wrong type', { config: { recovery: 'often' } }, "at '/config/recovery': got string, want boolean"],
	['option outside its list', { config: { placement: 'random' } }, "at '/config/placement': value must be one of 'ip-hash', 'kernel'"],
	['option with a wrong shape', { config: { trustedProxies: ['10.0.0.1'] } }, "at '/config/trustedProxies/0': '10.0.0.1' does not match"],
	['workers', { config: { workers: 0 } }, "at '/config/workers'"],
	['fleet', { config: { fleet: 'My Fleet' } }, "at '/config/fleet': 'My Fleet' does not match"],
	['replicas', { replicas: -1 }, "at '/replicas': minimum: got -1, want 0"],
	['string for a number', { replicas: 'three' }, "at '/replicas': got string, want integer"],
	['digest', { image: { digest: 'latest' } }, "at '/image/digest': 'latest' does not match"],
	['cookie name', { ingress: { affinity: { cookieName: 'a;b' } } }, "at '/ingress/affinity/cookieName': 'a;b' does not match"],
	[
		'SameSite',
		{ ingress: { affinity: { sameSite: 'lax' } } },
		"at '/ingress/affinity/sameSite': value must be one of 'Lax', 'Strict', 'None'",
	],
	['Redis URL', { redis: { source: 'external', url: 'redis.example.com' } }, "at '/redis/url': 'redis.example.com' does not match"],
	['percent', { pdb: { maxUnavailable: '120%' } }, "at '/pdb/maxUnavailable'"],
	['margin', { drain: { marginSeconds: 0 } }, "at '/drain/marginSeconds': minimum: got 0, want 1"],
	['app file name', { app: { files: { 'lib/app.js': '' } } }, "at '/app/files': additional properties 'lib/app.js' not allowed"],

	['both budgets', { pdb: { minAvailable: 2 } }, 'pdb.minAvailable and pdb.maxUnavailable exclude each other'],
	['no budget', { pdb: { maxUnavailable: null } }, 'pdb.enabled needs pdb.minAvailable or pdb.maxUnavailable'],
	['a roll-out that cannot move', { rollout: { maxSurge: 0, maxUnavailable: 0 } }, 'a roll-out could never move'],
	['several pods, no Redis', { redis: { source: 'none' } }, 'replicas is 3 but redis.source is none'],
	['autoscaling, no Redis', { replicas: 1, redis: { source: 'none' }, autoscaling: { enabled: true } }, 'autoscaling needs Redis'],
	['API, no Redis', { replicas: 1, redis: { source: 'none' }, api: { enabled: true } }, 'api.enabled needs Redis'],
	['URL that is not used', { redis: { url: external.url } }, 'redis.url or redis.existingSecret is set but redis.source is bundled'],
	['external without a URL', { redis: { source: 'external' } }, 'redis.source is external: set redis.url, or redis.existingSecret.name'],
	[
		'two URLs',
		{ redis: { ...external, existingSecret: { name: 'redis', urlKey: 'url' } } },
		'redis.url and redis.existingSecret.urlKey are both set',
	],
	['key without a Secret', { redis: { ...external, existingSecret: { passwordKey: 'p' } } }, 'set the name'],
	['several addresses', { redis: { source: 'external', url: 'redis://a:1,redis://b:1' } }, 'set redis.mode to sentinel or cluster'],
	['CA without TLS', { redis: { ...external, tls: { caConfigMap: 'ca' } } }, 'redis.url does not start with rediss://'],
	['a wait too short for Traefik', { ingress: { controller: 'traefik' }, drain: { delaySeconds: 3 } }, 'drain.delaySeconds is 3'],
	[
		'idle timeout below the ping',
		{ ingress: { enabled: true, idleTimeoutSeconds: 20 } },
		'ingress.idleTimeoutSeconds (20) must be above config.pingIntervalMs (25000 ms)',
	],
	['ALB above its maximum', { ingress: { controller: 'alb', idleTimeoutSeconds: 7200 } }, "an ALB's idle timeout is at most 4000 seconds"],
	['Ingress of Envoy Gateway', { ingress: { enabled: true, controller: 'envoy-gateway' } }, 'Envoy Gateway serves no Ingress'],
	['route for nginx', { ingress: { controller: 'nginx' }, httpRoute: { enabled: true, parentRefs: [{ name: 'p' }] } }, 'not for nginx'],
	['route without a Gateway', { httpRoute: { enabled: true } }, 'httpRoute.enabled needs httpRoute.parentRefs'],
	['persistence without a route', { httpRoute: { sessionPersistence: { enabled: true } } }, 'set httpRoute.enabled=true'],
	['source at Traefik', { ingress: { controller: 'traefik', affinity: { mode: 'source' } } }, 'traefik has no affinity by source address'],
	[
		'PROXY protocol behind an Ingress',
		{ service: { proxyProtocol: true }, ingress: { enabled: true } },
		'service.proxyProtocol is for a load balancer directly in front',
	],
	['node port of a ClusterIP', { service: { nodePort: 30080 } }, 'service.nodePort needs service.type NodePort or LoadBalancer'],
	['autoscaling upside down', { autoscaling: { enabled: true, minReplicas: 5, maxReplicas: 2 } }, 'autoscaling.minReplicas (5) is above'],
	['nothing to scale on', { autoscaling: { enabled: true, targetCpuPercent: 0 } }, 'autoscaling.enabled needs something to scale on'],
	[
		'a target that no event loop can pass',
		{ autoscaling: { targetEventLoopPercent: 100 } },
		"at '/autoscaling/targetEventLoopPercent': maximum",
	],
	[
		'percent of nothing',
		{ autoscaling: { enabled: true }, resources: { requests: { cpu: null } } },
		'a percentage of resources.requests.cpu',
	],
	['scraped twice', { monitoring: { podMonitor: { enabled: true }, serviceMonitor: { enabled: true } } }, 'would scrape every pod twice'],
];

for (const [what, values, sentence] of WRONG) {
	test(`refused: ${what}`, () => {
		const refusal = refusalOf(values);
		assert.ok(refusal, 'helm took the values');
		assert.ok(refusal.includes(sentence), refusal);
	});
}
