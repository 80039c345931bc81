import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, find, type KubeObject, pick, renderChart, type Values } from '../support/kube-chart.ts';

type Reads = (objects: readonly KubeObject[]) => unknown;

const has =
	(kind: string, name?: string): Reads =>
	(objects) =>
		find(objects, kind, name) !== undefined;
const deployment =
	(path: string): Reads =>
	(objects) =>
		pick(find(objects, 'Deployment'), path);

/** Every boolean of values.yaml: what it switches must be there when it is true, and gone when it is false. */
const TOGGLES: readonly (readonly [path: string, reads: Reads, on: unknown, off: unknown, also?: Values])[] = [
	['api.enabled', has('Service', 'sf-api'), true, false],
	['api.enabled', has('Secret', 'sf-api'), true, false],
	['ingress.enabled', has('Ingress'), true, false],
	['httpRoute.enabled', has('HTTPRoute'), true, false, { httpRoute: { parentRefs: [{ name: 'public' }] } }],
	['autoscaling.enabled', has('HorizontalPodAutoscaler'), true, false],
	['autoscaling.enabled', deployment('spec.replicas'), undefined, 3],
	['pdb.enabled', has('PodDisruptionBudget'), true, false],
	['topologySpread.enabled', deployment('spec.template.spec.topologySpreadConstraints.length'), 2, undefined],
	['serviceAccount.create', has('ServiceAccount'), true, false],
	['serviceAccount.create', deployment('spec.template.spec.serviceAccountName'), 'sf', 'default'],
	['serviceAccount.automountToken', deployment('spec.template.spec.automountServiceAccountToken'), true, false],
	['networkPolicy.enabled', has('NetworkPolicy', 'sf'), true, false],
	['networkPolicy.enabled', has('NetworkPolicy', 'sf-redis'), true, false],
	['monitoring.podMonitor.enabled', has('PodMonitor'), true, false],
	['monitoring.serviceMonitor.enabled', has('ServiceMonitor'), true, false],
	['monitoring.rules.enabled', has('PrometheusRule'), true, false],
	['monitoring.dashboards.enabled', has('ConfigMap', 'sf-dashboards'), true, false],
	['service.proxyProtocol', addressSource, 'proxy-protocol', 'socket'],
	['redis.bundled.persistence.enabled', (objects) => pick(find(objects, 'StatefulSet'), 'spec.volumeClaimTemplates.length'), 1, undefined],
	['drain.failReadinessFirst', deployment('spec.template.spec.containers.0.lifecycle.preStop.sleep.seconds'), undefined, 15],
];

function addressSource(objects: readonly KubeObject[]): unknown {
	const env = deployment('spec.template.spec.containers.0.env')(objects) as { name: string; value?: string }[];
	return env.find((entry) => entry.name === 'SOCKETFLEET_ADDRESS_SOURCE')?.value;
}

for (const [path, reads, on, off, also = {}] of TOGGLES) {
	test(`${path} switches ${reads.name || JSON.stringify(on)}`, () => {
		assert.equal(reads(renderChart(merge(also, at(path, true)))), on, 'true');
		assert.equal(reads(renderChart(merge(also, at(path, false)))), off, 'false');
	});
}

function merge(one: Values, other: Values): Values {
	const both = Object.keys(one).filter((key) => Object.hasOwn(other, key));
	return { ...one, ...other, ...Object.fromEntries(both.map((key) => [key, merge(one[key] as Values, other[key] as Values)])) };
}

test('existing Secrets are used, and none is rendered beside them', () => {
	const objects = renderChart({
		fleetKey: { existingSecret: 'my-key' },
		redis: { bundled: { existingSecret: 'my-redis' } },
		api: { enabled: true, existingSecret: 'my-api' },
		admin: { existingSecret: 'my-admin' },
	});
	assert.equal(find(objects, 'Secret'), undefined);
	const text = JSON.stringify(find(objects, 'Deployment'));
	for (const name of ['my-key', 'my-redis', 'my-api', 'my-admin']) {
		assert.ok(text.includes(`"${name}"`), name);
	}
});

test('redis.source decides what is rendered and what the pod is told', () => {
	const none = renderChart({ replicas: 1, redis: { source: 'none' } });
	const external = renderChart({ redis: { source: 'external', url: 'redis://redis.example.com:6379' } });
	const bundled = renderChart();
	assert.deepEqual(
		[none, external, bundled].map((objects) => [
			has('StatefulSet')(objects),
			has('Secret', 'sf-fleet-key')(objects),
			has('Secret', 'sf-redis')(objects),
		]),
		[
			[false, false, false],
			[false, true, false],
			[true, true, true],
		],
	);
	assert.ok(!JSON.stringify(find(none, 'Deployment')).includes('SOCKETFLEET_REDIS_URL'));
	assert.ok(JSON.stringify(external).includes('redis://redis.example.com:6379'));
	assert.ok(JSON.stringify(bundled).includes('redis://sf-redis:6379'));
});
