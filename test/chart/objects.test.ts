import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { alertValues, buildRules, type Rule } from '../../scripts/alerts/rules.ts';
import { renderChartReadme } from '../../scripts/chart-docs.ts';
import { renderValuesSchema } from '../../scripts/chart-schema.ts';
import { loadConfig } from '../../src/config/load.ts';
import { CHART, envOf, get, type KubeObject, pick, renderChart, type Values } from '../support/kube-chart.ts';

const CASES = readdirSync(join(CHART, 'ci'));

function fileOf(name: string): string {
	return join(CHART, 'ci', name);
}

/** Literal environment only: references to Secrets get a value that has the right shape. */
function loadEnv(deployment: KubeObject): ReturnType<typeof loadConfig>['config'] {
	const env = Object.entries(envOf(deployment)).map(([name, value]) => [
		name,
		value.includes('/') && name.endsWith('KEY') ? 'k'.repeat(48) : value,
	]);
	const secrets = {
		SOCKETFLEET_REDIS_URL: 'redis://redis:6379',
		SOCKETFLEET_API_TOKENS: 't'.repeat(40),
		SOCKETFLEET_ADMIN_TOKEN: 't'.repeat(40),
	};
	const fromSecret = Object.fromEntries(
		Object.entries(secrets).filter(([name]) => /^[a-z-]+\/[a-z]+$/.test(envOf(deployment)[name] ?? '')),
	);
	return loadConfig({ env: { ...Object.fromEntries(env), SOCKETFLEET_FLEET_KEY_PREVIOUS: '', ...fromSecret }, cwd: CHART }).config;
}

for (const name of CASES) {
	test(`${name}: every pod passes restricted Pod Security, and the pod takes its environment`, () => {
		const objects = renderChart({}, { files: [fileOf(name)] });
		const specs = objects.map((object) => (object.kind === 'Pod' ? object.spec : pick(object, 'spec.template.spec'))).filter(Boolean);
		assert.ok(specs.length >= 2);
		for (const spec of specs) {
			assert.equal(pick(spec, 'securityContext.runAsNonRoot'), true);
			assert.equal(pick(spec, 'securityContext.seccompProfile.type'), 'RuntimeDefault');
			assert.equal(pick(spec, 'automountServiceAccountToken'), false);
			assert.equal(pick(spec, 'containers.0.securityContext.allowPrivilegeEscalation'), false);
			assert.equal(pick(spec, 'containers.0.securityContext.readOnlyRootFilesystem'), true);
			assert.deepEqual(pick(spec, 'containers.0.securityContext.capabilities.drop'), ['ALL']);
		}
		loadEnv(get(objects, 'Deployment'));
	});
}

test('the grace covers the whole drain, and the wait is spent once', () => {
	const drain = { delaySeconds: 20, spreadSeconds: 30, marginSeconds: 10 };
	const read = (values: Values): unknown[] => {
		const deployment = get(renderChart({ drain, ...values }), 'Deployment');
		const config = loadEnv(deployment);
		return [
			pick(deployment, 'spec.template.spec.terminationGracePeriodSeconds'),
			pick(deployment, 'spec.template.spec.containers.0.lifecycle.preStop.sleep.seconds'),
			config.drainDelayMs,
			config.drainSpreadMs,
			config.drainTimeoutMs,
		];
	};
	assert.deepEqual(read({ ingress: { controller: 'traefik' } }), [65, undefined, 20_000, 30_000, 60_000]);
	assert.deepEqual(read({ ingress: { controller: 'nginx' } }), [65, 20, 0, 30_000, 40_000]);
});

test('options reach the pod as they were written', () => {
	const config = loadEnv(
		get(
			renderChart({
				config: {
					streamMaxEntries: 5_000_000,
					corsOrigin: ['https://a.example.com', 'https://b.example.com'],
					workers: 4,
					allowEio3: true,
					maxHttpBufferSize: 100_000_000,
				},
			}),
			'Deployment',
		),
	);
	assert.equal(config.streamMaxEntries, 5_000_000);
	assert.deepEqual(config.corsOrigin, ['https://a.example.com', 'https://b.example.com']);
	assert.equal(config.workers, 4);
	assert.equal(config.allowEio3, true);
	assert.equal(config.maxHttpBufferSize, 100_000_000);
	assert.equal(config.fleet, 'demo-sf');
});

test('the fleet is named after namespace and release, and long names stay apart', () => {
	const fleet = (namespace: string, values: Values = {}): string => loadEnv(get(renderChart(values, { namespace }), 'Deployment')).fleet;
	assert.equal(fleet('demo', { config: { fleet: 'mine' } }), 'mine');
	const long = 'a-namespace-of-sixty-three-characters-is-allowed-by-kubernetes';
	assert.equal(fleet(long).length <= 40, true);
	assert.notEqual(fleet(long), fleet(`${long}s`));
});

test('behind an Ingress or an HTTPRoute the address comes from X-Forwarded-For', () => {
	const source = (values: Values): string => loadEnv(get(renderChart(values), 'Deployment')).addressSource;
	assert.equal(source({ ingress: { enabled: true } }), 'x-forwarded-for');
	assert.equal(source({ httpRoute: { enabled: true, parentRefs: [{ name: 'public' }] } }), 'x-forwarded-for');
	assert.equal(source({ ingress: { enabled: true }, config: { addressSource: 'socket' } }), 'socket');
});

test('the application: files are mounted and named, a change rolls the pods', () => {
	const render = (content: string): KubeObject[] => renderChart({ app: { files: { 'app.js': content } } });
	const one = get(render('one'), 'Deployment');
	assert.equal(loadEnv(one).app, '/app/app.js');
	assert.deepEqual(get(render('one'), 'ConfigMap', 'sf-app').data, { 'app.js': 'one' });
	const checksum = (objects: KubeObject[]): unknown => pick(get(objects, 'Deployment'), 'spec.template.metadata.annotations.checksum/app');
	assert.notEqual(checksum(render('one')), checksum(render('two')));
	assert.equal(loadEnv(get(renderChart({ app: { path: '/app/main.ts' } }), 'Deployment')).app, '/app/main.ts');
});

test('Services, budget and policies select the pods of the fleet and no others', () => {
	const objects = renderChart({ podLabels: { team: 'chat', 'app.kubernetes.io/component': 'other' } });
	const fleet = pick(get(objects, 'Deployment'), 'spec.template.metadata.labels') as Record<string, string>;
	const others = [pick(get(objects, 'StatefulSet'), 'spec.template.metadata.labels'), get(objects, 'Pod').metadata.labels];
	const selectors = [
		pick(get(objects, 'Service', 'sf'), 'spec.selector'),
		pick(get(objects, 'Service', 'sf-headless'), 'spec.selector'),
		pick(get(objects, 'PodDisruptionBudget'), 'spec.selector.matchLabels'),
		pick(get(objects, 'NetworkPolicy', 'sf'), 'spec.podSelector.matchLabels'),
		pick(get(objects, 'Deployment'), 'spec.selector.matchLabels'),
	] as Record<string, string>[];
	assert.equal(fleet.team, 'chat');
	for (const selector of selectors) {
		assert.ok(matches(selector, fleet));
		for (const other of others) {
			assert.ok(!matches(selector, other as Record<string, string>));
		}
	}
});

function matches(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
	return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

test('NetworkPolicy: the internal port is for the fleet alone, Redis for the release', () => {
	const objects = renderChart({ networkPolicy: { publicFrom: [{ ipBlock: { cidr: '10.0.0.0/8' } }] } });
	const rules = pick(get(objects, 'NetworkPolicy', 'sf'), 'spec.ingress') as { ports: { port: string }[]; from?: unknown }[];
	assert.deepEqual(
		rules.map((rule) => [rule.ports[0]?.port, rule.from]),
		[
			['http', [{ ipBlock: { cidr: '10.0.0.0/8' } }]],
			['admin', [{ namespaceSelector: {} }]],
			['internal', [{ podSelector: { matchLabels: pick(get(objects, 'Deployment'), 'spec.selector.matchLabels') } }]],
		],
	);
	assert.deepEqual(pick(get(objects, 'NetworkPolicy', 'sf-redis'), 'spec.ingress.0.from'), [
		{ podSelector: { matchLabels: { 'app.kubernetes.io/name': 'socketfleet', 'app.kubernetes.io/instance': 'sf' } } },
	]);
});

test('HPA: fast up, one pod for each drain down', () => {
	const metric = {
		type: 'Pods',
		pods: { metric: { name: 'socketfleet_connections' }, target: { type: 'AverageValue', averageValue: '5k' } },
	};
	const hpa = get(renderChart({ autoscaling: { enabled: true, metrics: [metric] } }), 'HorizontalPodAutoscaler');
	assert.deepEqual(pick(hpa, 'spec.scaleTargetRef'), { apiVersion: 'apps/v1', kind: 'Deployment', name: 'sf' });
	assert.deepEqual(pick(hpa, 'spec.metrics.1'), metric);
	assert.deepEqual(pick(hpa, 'spec.behavior.scaleDown'), {
		stabilizationWindowSeconds: 600,
		policies: [{ type: 'Pods', value: 1, periodSeconds: 40 }],
		selectPolicy: 'Min',
	});
});

test('HPA: targets of connections and event loops, written as the API server writes them', () => {
	const metricsOf = (autoscaling: Values): unknown =>
		pick(
			get(renderChart({ autoscaling: { enabled: true, targetCpuPercent: 0, ...autoscaling } }), 'HorizontalPodAutoscaler'),
			'spec.metrics',
		);
	const perPod = (name: string, averageValue: string): object => ({
		type: 'Pods',
		pods: { metric: { name }, target: { type: 'AverageValue', averageValue } },
	});
	assert.deepEqual(metricsOf({ targetConnections: 2000, targetEventLoopPercent: 60 }), [
		perPod('socketfleet_connections', '2k'),
		perPod('socketfleet_event_loop_utilization_ratio', '600m'),
	]);
	assert.deepEqual(metricsOf({ targetConnections: 1500 }), [perPod('socketfleet_connections', '1500')]);
});

test('PodDisruptionBudget: the one that is set', () => {
	const spec = (pdb: Values): unknown => get(renderChart({ pdb }), 'PodDisruptionBudget').spec;
	assert.equal(pick(spec({}), 'maxUnavailable'), 1);
	assert.equal(pick(spec({}), 'minAvailable'), undefined);
	assert.equal(pick(spec({ maxUnavailable: null, minAvailable: '60%' }), 'minAvailable'), '60%');
	assert.equal(pick(spec({ maxUnavailable: null, minAvailable: 0 }), 'minAvailable'), 0);
	assert.equal(pick(spec({}), 'unhealthyPodEvictionPolicy'), 'AlwaysAllow');
});

test('alert rules of a release are those that promtool tests, and values change their times', () => {
	const rulesOf = (values: Values): unknown => pick(get(renderChart(values), 'PrometheusRule'), 'spec.groups.0.rules');
	const enabled = { monitoring: { rules: { enabled: true } } };
	assert.deepEqual(rulesOf(enabled), buildRules('demo', 'sf'));
	const alerts = { redisAway: { for: '5s' }, workersCrash: { window: '40s' }, notScraped: { enabled: false } };
	const changed = rulesOf({ monitoring: { rules: { enabled: true, alerts } } }) as Rule[];
	const rule = (name: string): Rule | undefined => changed.find(({ alert }) => alert === name);
	assert.equal(rule('SocketfleetRedisAway')?.for, '5s');
	assert.match(rule('SocketfleetWorkersCrash')?.expr ?? '', /\[40s\]/);
	assert.equal(rule('SocketfleetNotScraped'), undefined);
	const alone = rulesOf({ ...enabled, replicas: 1, redis: { source: 'none' } }) as Rule[];
	assert.equal(
		alone.some(({ alert }) => alert === 'SocketfleetRedisAway'),
		false,
	);
	assert.deepEqual(pick(parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')), 'monitoring.rules.alerts'), alertValues());
});

test('generated files of the chart are fresh', () => {
	assert.equal(readFileSync(join(CHART, 'values.schema.json'), 'utf8'), renderValuesSchema());
	assert.equal(readFileSync(join(CHART, 'README.md'), 'utf8'), renderChartReadme('socketfleet'));
});

test('every value has a place in the schema', () => {
	const schema: unknown = JSON.parse(renderValuesSchema());
	const missing: string[] = [];
	const walk = (values: unknown, at: unknown, path: string): void => {
		for (const [key, value] of Object.entries(values as Record<string, unknown>)) {
			const property = pick(at, `properties.${key}`);
			if (property === undefined) {
				missing.push(`${path}${key}`);
			} else if (pick(property, 'properties') !== undefined && typeof value === 'object' && value !== null) {
				walk(value, property, `${path}${key}.`);
			}
		}
	};
	walk(parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')), schema, '');
	assert.deepEqual(missing, []);
});
