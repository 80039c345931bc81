/** The operator's chart: rights that match what the operator does, cluster-wide and for one namespace, restricted, with its definition. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RESOURCES } from '../../src/kube/object.ts';
import { buildCrd } from '../../src/operator/api/crd.ts';
import { WATCHED_KINDS } from '../../src/operator/cache.ts';
import { find, get, type KubeObject, pick, renderChart, type Values } from '../support/kube-chart.ts';

interface Rule {
	readonly apiGroups: readonly string[];
	readonly resources: readonly string[];
	readonly verbs: readonly string[];
	readonly resourceNames?: readonly string[];
}

const OPERATOR_CHART = fileURLToPath(new URL('../../helm/socketfleet-operator', import.meta.url));
const render = (values: Values = {}): KubeObject[] => renderChart(values, { chart: OPERATOR_CHART, release: 'op', namespace: 'system' });
const rulesOf = (role: KubeObject): readonly Rule[] => role.rules as readonly Rule[];

test('the rights are those of the kinds that are watched, and no more', () => {
	const rules = rulesOf(get(render(), 'ClusterRole'));
	const flat = rules.flatMap(({ apiGroups, resources, verbs }) =>
		resources.map((resource) => [`${apiGroups[0]}/${resource}`, verbs] as const),
	);
	const given = Object.fromEntries(flat);
	const all = ['create', 'delete', 'get', 'list', 'patch', 'watch'];
	const expected = Object.fromEntries(
		WATCHED_KINDS.map((kind): [string, readonly string[]] => [`${RESOURCES[kind].group}/${RESOURCES[kind].plural}`, all]),
	);
	assert.deepEqual(given, {
		...expected,
		'/events': ['create', 'get', 'patch'],
		'/pods': ['list', 'patch', 'watch'],
		'/secrets': ['create', 'delete', 'get', 'patch'],
		'apps/replicasets': ['list'],
		'socketfleet.dev/socketfleets': ['list', 'patch', 'watch'],
		'socketfleet.dev/socketfleets/status': ['patch'],
	});
	const order = flat.map(([name]) => name);
	assert.deepEqual(order, order.toSorted(), 'alphabetical');
	assert.equal(JSON.stringify(rules).includes('*'), false);
});

test('the Lease is one by name, in the own namespace', () => {
	const role = get(render(), 'Role', 'op-lease');
	assert.equal(role.metadata.namespace, 'system');
	assert.deepEqual(rulesOf(role).at(-1), {
		apiGroups: ['coordination.k8s.io'],
		resources: ['leases'],
		resourceNames: ['socketfleet-operator'],
		verbs: ['get', 'update'],
	});
});

test('for one namespace: a Role there with the same rights, nothing cluster-wide', () => {
	const objects = render({ watchNamespace: 'chat' });
	assert.equal(find(objects, 'ClusterRole'), undefined);
	assert.equal(find(objects, 'ClusterRoleBinding'), undefined);
	const role = get(objects, 'Role', 'op');
	assert.equal(role.metadata.namespace, 'chat');
	assert.deepEqual(rulesOf(role), rulesOf(get(render(), 'ClusterRole')));
	assert.deepEqual(pick(get(objects, 'RoleBinding', 'op'), 'subjects.0'), { kind: 'ServiceAccount', name: 'op', namespace: 'system' });
	assert.ok((pick(get(objects, 'Deployment'), 'spec.template.spec.containers.0.args') as string[]).includes('--namespace=chat'));
});

test('the definition is the generated one and is kept; restricted pods', () => {
	const objects = render();
	const crd = get(objects, 'CustomResourceDefinition');
	assert.deepEqual(crd, JSON.parse(JSON.stringify(buildCrd())));
	assert.equal(crd.metadata.annotations?.['helm.sh/resource-policy'], 'keep');
	assert.equal(find(render({ crd: { install: false } }), 'CustomResourceDefinition'), undefined);
	const container = pick(get(objects, 'Deployment'), 'spec.template.spec.containers.0');
	assert.deepEqual(pick(container, 'securityContext'), {
		allowPrivilegeEscalation: false,
		readOnlyRootFilesystem: true,
		capabilities: { drop: ['ALL'] },
	});
	assert.equal(pick(get(objects, 'Deployment'), 'spec.template.spec.securityContext.runAsNonRoot'), true);
	assert.throws(() => render({ replica: 1 }), /replica/);
	assert.throws(() => render({ logLevel: 'loud' }), /logLevel/);
});

test('custom metrics: nothing of them by default', () => {
	const text = JSON.stringify(render());
	for (const word of ['custom.metrics', 'custom-metrics', 'auth-delegator', 'kube-system', '6443']) {
		assert.equal(text.includes(word), false, word);
	}
	assert.equal('lifecycle' in (pick(get(render(), 'Deployment'), 'spec.template.spec.containers.0') as object), false);
	assert.throws(() => render({ customMetrics: { enable: true } }), /enable/);
	assert.throws(() => render({ replicas: 0, customMetrics: { enabled: true } }), /customMetrics\.enabled needs an operator that serves/);
});

test('custom metrics: a Service, an empty Secret, the APIService, and rights on these by name', () => {
	const objects = render({ customMetrics: { enabled: true } });
	const container = pick(get(objects, 'Deployment'), 'spec.template.spec.containers.0');
	assert.ok((pick(container, 'args') as string[]).includes('--custom-metrics-service=op-metrics'));
	assert.deepEqual(pick(container, 'ports.1'), { name: 'metrics-api', containerPort: 6443 });
	assert.deepEqual(pick(container, 'lifecycle'), { preStop: { sleep: { seconds: 5 } } });
	const service = get(objects, 'Service', 'op-metrics');
	assert.deepEqual(pick(service, 'spec.ports'), [{ name: 'https', port: 443, targetPort: 'metrics-api' }]);
	assert.deepEqual(pick(service, 'spec.selector'), pick(get(objects, 'Deployment'), 'spec.selector.matchLabels'));
	const secret = get(objects, 'Secret', 'op-metrics-tls');
	assert.equal('data' in secret, false, 'an upgrade must not empty it');
	const apiService = get(objects, 'APIService');
	assert.equal(apiService.metadata.name, 'v1beta2.custom.metrics.k8s.io');
	assert.deepEqual(apiService.spec, {
		group: 'custom.metrics.k8s.io',
		version: 'v1beta2',
		groupPriorityMinimum: 100,
		versionPriority: 100,
		service: { name: 'op-metrics', namespace: 'system', port: 443 },
	});
	assert.deepEqual(rulesOf(get(objects, 'ClusterRole', 'op-metrics')), [
		{
			apiGroups: ['apiregistration.k8s.io'],
			resources: ['apiservices'],
			resourceNames: ['v1beta2.custom.metrics.k8s.io'],
			verbs: ['get', 'patch'],
		},
	]);
	assert.deepEqual(rulesOf(get(objects, 'Role', 'op-metrics')), [
		{ apiGroups: [''], resources: ['secrets'], resourceNames: ['op-metrics-tls'], verbs: ['get', 'update'] },
	]);
	const bindings = objects.filter(({ kind, metadata }) => kind.endsWith('Binding') && metadata.name.startsWith('op-metrics'));
	assert.deepEqual(
		bindings
			.map(
				(binding) =>
					`${binding.metadata.namespace ?? ''}/${String(pick(binding, 'roleRef.kind'))}/${String(pick(binding, 'roleRef.name'))}`,
			)
			.toSorted(),
		[
			'/ClusterRole/op-metrics',
			'/ClusterRole/system:auth-delegator',
			'kube-system/Role/extension-apiserver-authentication-reader',
			'system/Role/op-metrics',
		],
	);
	for (const binding of bindings) {
		assert.deepEqual(binding.subjects, [{ kind: 'ServiceAccount', name: 'op', namespace: 'system' }]);
	}
});
