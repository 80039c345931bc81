/** The operator and the chart give the same objects for the same settings. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { applyDefaults } from '../../src/operator/api/defaults.ts';
import { CONTROLLERS, SPEC_FIELDS } from '../../src/operator/api/spec.ts';
import { buildDesired } from '../../src/operator/desired/desired.ts';
import { CHART, type KubeObject, renderChart, type Values } from '../support/kube-chart.ts';

type Tree = Record<string, unknown>;

const DEFAULTS = parse(readFileSync(`${CHART}/values.yaml`, 'utf8')) as Tree;
/** Of the chart only, beside alert rules and dashboards: names of a release, `helm test`. */
const CHART_ONLY = ['fullnameOverride', 'tests'];
/** Of the operator only. */
const OPERATOR_ONLY = ['rebalance'];

test('the spec has the keys of the chart', () => {
	const chart = Object.keys(DEFAULTS).filter((key) => !CHART_ONLY.includes(key));
	const spec = Object.keys(SPEC_FIELDS).filter((key) => !OPERATOR_ONLY.includes(key));
	assert.deepEqual(spec.sort(), chart.sort());
});

for (const file of globSync(`${CHART}/ci/*-values.yaml`).sort()) {
	test(`same objects: ${basename(file)}`, () => compare(parse(readFileSync(file, 'utf8')) as Tree));
}

for (const controller of CONTROLLERS) {
	for (const mode of ['cookie', 'source', 'none']) {
		if (mode === 'source' && (controller === 'traefik' || controller === 'alb')) {
			continue; // refused by both
		}
		const affinity = { mode, sameSite: 'None', maxAgeSeconds: 600 };
		if (controller !== 'envoy-gateway') {
			test(`same objects: Ingress, ${controller}, ${mode}`, () =>
				compare({ ingress: { enabled: true, controller, affinity, hosts: ['a.example.com'], annotations: { a: 'b' } } }));
		}
		if (!['nginx', 'alb', 'haproxytech', 'haproxy-ingress'].includes(controller)) {
			test(`same objects: HTTPRoute, ${controller}, ${mode}`, () =>
				compare({ ingress: { controller, affinity, path: '/x' }, httpRoute: { enabled: true, parentRefs: [{ name: 'gw' }] } }));
		}
	}
}

test('same objects: all that a pod can be given', () =>
	compare({
		app: { files: { 'b.js': 'export default () => undefined; // <&>', 'a.js': 'x' } },
		config: { fleet: 'one', workers: 'auto', corsOrigin: ['*'], maxHttpBufferSize: 2_000_000, recovery: false },
		image: { digest: `sha256:${'a'.repeat(64)}` },
		imagePullSecrets: [{ name: 'pull' }],
		redis: { bundled: { persistence: { enabled: true, storageClassName: 'fast' }, maxMemoryMb: 100 } },
		api: { enabled: true },
		affinity: { nodeAffinity: {} },
		nodeSelector: { a: 'b' },
		tolerations: [{ operator: 'Exists' }],
		priorityClassName: 'high',
		podAnnotations: { x: 'why' },
		podLabels: { team: 'chat' },
		extraEnv: [{ name: 'A', value: 'b' }],
		extraVolumes: [{ name: 'v', emptyDir: {} }],
		extraVolumeMounts: [{ name: 'v', mountPath: '/v' }],
		serviceAccount: { name: 'own', annotations: { role: 'r' } },
		service: { type: 'NodePort', nodePort: 30_123 },
		networkPolicy: { apiFrom: [{ namespaceSelector: {} }], publicFrom: [{ ipBlock: { cidr: '10.0.0.0/8' } }] },
		monitoring: { serviceMonitor: { enabled: true, labels: { release: 'prom' } } },
		pdb: { maxUnavailable: null, minAvailable: '50%' },
		drain: { failReadinessFirst: true },
	}));

for (const autoscaling of [
	{ targetConnections: 1000, targetEventLoopPercent: 60 },
	{ targetCpuPercent: 0, targetConnections: 1500, scaleDownWindowSeconds: 1800 },
	{
		targetCpuPercent: 0,
		metrics: [{ type: 'Pods', pods: { metric: { name: 'x' }, target: { type: 'AverageValue', averageValue: '1' } } }],
	},
]) {
	test(`same objects: autoscaling, ${JSON.stringify(autoscaling)}`, () =>
		compare({ autoscaling: { enabled: true, ...autoscaling }, drain: { spreadSeconds: 60 } }));
}

function compare(values: Tree): void {
	const rendered = renderChart(values as Values, { release: 'sf', namespace: 'demo' }).filter(({ kind, metadata }) => {
		const ofHelm =
			kind === 'PrometheusRule' || metadata.name.endsWith('-dashboards') || metadata.annotations?.['helm.sh/hook'] !== undefined;
		return !ofHelm;
	});
	const spec = applyDefaults(toSpec(merge(DEFAULTS, values)));
	const built = buildDesired(
		{ name: 'sf', namespace: 'demo', spec },
		{ steering: { replicas: spec.replicas }, lookup: () => undefined, random: (length) => 'x'.repeat(length) },
	);
	assert.deepEqual(byName(built.map(normalize)), byName(rendered.map(normalize)));
}

function byName(objects: readonly KubeObject[]): Record<string, KubeObject> {
	return Object.fromEntries(
		objects.map((object): [string, KubeObject] => [`${object.kind} ${object.metadata.name}`, object]).sort(([a], [b]) => (a < b ? -1 : 1)),
	);
}

/** What is meant to differ: who made it, the operator's own mark, generated secrets, who owns `replicas`, and what the autoscaler scales. */
function normalize(object: KubeObject): KubeObject {
	const { 'helm.sh/chart': _chart, 'app.kubernetes.io/managed-by': _by, ...labels } = object.metadata.labels ?? {};
	const { namespace: _namespace, annotations = {}, ...others } = object.metadata;
	const { 'socketfleet.dev/template': _template, ...foreign } = annotations;
	const metadata = { ...others, ...(Object.keys(foreign).length === 0 ? {} : { annotations: foreign }) };
	const { data, stringData, ...rest } = object as KubeObject & { data?: Tree; stringData?: Tree };
	const common = { ...rest, metadata: { ...metadata, labels } } as KubeObject;
	if (object.kind === 'Secret') {
		return { ...common, keys: Object.keys(data ?? stringData ?? {}).sort() };
	}
	const spec = structuredClone(object.spec) as Tree | undefined;
	if (object.kind === 'Deployment') {
		delete spec?.replicas;
	}
	if (object.kind === 'HorizontalPodAutoscaler') {
		delete spec?.scaleTargetRef;
	}
	return JSON.parse(JSON.stringify({ ...common, data, spec })) as KubeObject;
}

/** Values of the chart as a spec: the two fields that are written otherwise, and without what only the chart has. */
function toSpec(values: Tree): Tree {
	const spec = Object.fromEntries(Object.entries(values).filter(([key]) => !CHART_ONLY.includes(key)));
	const drain = spec.drain as Tree;
	const pdb = Object.fromEntries(Object.entries(spec.pdb as Tree).filter(([, value]) => value !== null));
	return { ...spec, drain: { ...drain, failReadinessFirst: String(drain.failReadinessFirst) }, pdb };
}

/** As helm merges values: maps deeply, all else replaced. */
function merge(base: Tree, over: Tree): Tree {
	const merged: Tree = { ...base };
	for (const [key, value] of Object.entries(over)) {
		const below = base[key];
		merged[key] = isTree(below) && isTree(value) ? merge(below, value) : value;
	}
	return merged;
}

function isTree(value: unknown): value is Tree {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}
