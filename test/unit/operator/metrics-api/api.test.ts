import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSilentLogger } from '../../../../src/base/log.ts';
import type { KubeObject } from '../../../../src/kube/object.ts';
import { type Answer, type ApiOptions, CustomMetricsApi } from '../../../../src/operator/metrics-api/api.ts';
import type { ValuesRequest } from '../../../../src/operator/metrics-api/request.ts';

const TRUST = { clientCa: 'PEM', allowedNames: [], userHeaders: ['x-remote-user'], groupHeaders: [], extraPrefixes: [] };
const ROOT = '/apis/custom.metrics.k8s.io/v1beta2';
const PODS = `${ROOT}/namespaces/demo/pods`;
const READ_AT = new Date('2026-01-02T03:04:05.678Z');
/** Of each pod; one that is not here does not answer. */
const READINGS: Readonly<Record<string, readonly [connections: number, utilization: number | undefined]>> = {
	a: [12, 0.5],
	b: [1500, undefined],
	c: [0, 0.12345],
};

function pod(name: string, labels: Readonly<Record<string, string>> = {}): KubeObject {
	return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'demo', labels } };
}

function answer(url: string, more: Partial<ApiOptions> = {}, method = 'GET', verified = true): Promise<Answer> {
	const api = new CustomMetricsApi({
		authorizer: { allows: async () => Promise.resolve(true) },
		reader: {
			read: ({ metadata }) => {
				const known = READINGS[metadata.name];
				const [connections, utilization] = known ?? [];
				const reading = { socketfleet_connections: connections, socketfleet_event_loop_utilization_ratio: utilization };
				return Promise.resolve(known && { reading, readAt: READ_AT });
			},
		},
		podsIn: (namespace) => (namespace === 'demo' ? ['a', 'b', 'c', 'silent'].map((name) => pod(name, { name })) : []),
		log: createSilentLogger(),
		...more,
	});
	return api.answer({ method, url, headers: { 'x-remote-user': ['hpa'] }, peer: { verified, commonName: 'x' }, trust: TRUST });
}

interface List {
	readonly items: readonly { readonly describedObject: { readonly name: string }; readonly value: string }[];
}

async function valuesOf(url: string): Promise<Record<string, string>> {
	const { code, body } = await answer(url);
	assert.equal(code, 200, JSON.stringify(body));
	return Object.fromEntries((body as List).items.map(({ describedObject, value }) => [describedObject.name, value]));
}

test('values of all pods, of those that a selector matches, of one', async () => {
	assert.deepEqual(await valuesOf(`${PODS}/*/socketfleet_connections`), { a: '12', b: '1500', c: '0' });
	assert.deepEqual(await valuesOf(`${PODS}/*/socketfleet_event_loop_utilization_ratio`), { a: '500m', c: '123m' });
	assert.deepEqual(await valuesOf(`${PODS}/*/socketfleet_connections?labelSelector=name+in+(a,silent)`), { a: '12' });
	assert.deepEqual(await valuesOf(`${PODS}/*/socketfleet_connections?metricLabelSelector=!transport`), { a: '12', b: '1500', c: '0' });
	assert.deepEqual(await valuesOf(`${PODS}/b/socketfleet_connections`), { b: '1500' });
	assert.deepEqual(await valuesOf(`${ROOT}/namespaces/other/pods/*/socketfleet_connections`), {});
});

test('a list as the autoscaler reads it', async () => {
	assert.deepEqual((await answer(`${PODS}/a/socketfleet_connections`)).body, {
		kind: 'MetricValueList',
		apiVersion: 'custom.metrics.k8s.io/v1beta2',
		metadata: {},
		items: [
			{
				describedObject: { kind: 'Pod', namespace: 'demo', name: 'a', apiVersion: '/v1' },
				metric: { name: 'socketfleet_connections', selector: null },
				timestamp: '2026-01-02T03:04:05Z',
				value: '12',
			},
		],
	});
});

test('what is not there, not allowed, or not understood is a Status with its code', async () => {
	const deny: Partial<ApiOptions> = { authorizer: { allows: async () => Promise.resolve(false) } };
	const unsure: Partial<ApiOptions> = { authorizer: { allows: async () => Promise.reject(new Error('no API server')) } };
	const cases: readonly (readonly [number, string, string, RegExp, Partial<ApiOptions>?, string?])[] = [
		[404, 'NotFound', `${PODS}/*/http_requests`, /could not find the metric http_requests for pods; there are socketfleet_connections/],
		[404, 'NotFound', `${PODS}/*/socketfleet_connections?metricLabelSelector=transport`, /could not find the metric/],
		[404, 'NotFound', `${PODS}/silent/socketfleet_connections`, /for pods silent/],
		[404, 'NotFound', `${PODS}/b/socketfleet_event_loop_utilization_ratio`, /for pods b/],
		[404, 'NotFound', '/version', /could not find the requested resource/],
		[400, 'BadRequest', `${PODS}/*/socketfleet_connections?labelSelector==`, /unable to parse labelSelector "="/],
		[403, 'Forbidden', `${PODS}/*/socketfleet_connections`, /User "hpa" cannot get pods\/socketfleet_connections/, deny],
		// Whether a metric exists is told to those who may read it.
		[403, 'Forbidden', `${PODS}/*/http_requests`, /cannot get/, deny],
		[500, 'InternalError', `${PODS}/*/socketfleet_connections`, /could not be reviewed: no API server/, unsure],
		[405, 'MethodNotAllowed', `${PODS}/*/socketfleet_connections`, /does not allow this method/, {}, 'POST'],
	];
	for (const [code, reason, url, message, options, method] of cases) {
		const { code: seen, body } = await answer(url, options, method);
		const { message: said, ...rest } = body as { message: string };
		assert.deepEqual([seen, rest], [code, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, code }], url);
		assert.match(said, message);
	}
});

test('strangers are refused everything but /livez, and discovery asks for no review', async () => {
	for (const url of ['/apis', ROOT, '/openapi/v3', `${PODS}/*/socketfleet_connections`, '/nothing', '/apis/%zz']) {
		assert.equal((await answer(url, {}, 'GET', false)).code, 401, url);
	}
	assert.equal((await answer('/livez', {}, 'GET', false)).code, 200);
	const neverAsked: Partial<ApiOptions> = { authorizer: { allows: async () => Promise.reject(new Error('asked')) } };
	for (const url of ['/apis', '/apis/custom.metrics.k8s.io', ROOT, '/openapi/v3']) {
		assert.equal((await answer(url, neverAsked)).code, 200, url);
	}
	const { resources } = (await answer(ROOT)).body as { resources: { name: string }[] };
	assert.deepEqual(
		resources.map(({ name }) => name),
		['pods/socketfleet_connections', 'pods/socketfleet_event_loop_utilization_ratio'],
	);
});

test('the review is asked for what is read', async () => {
	const asked: ValuesRequest[] = [];
	const authorizer: ApiOptions['authorizer'] = {
		allows: (user, request) => {
			assert.equal(user.name, 'hpa');
			asked.push(request);
			return Promise.resolve(true);
		},
	};
	await answer(`${PODS}/*/socketfleet_connections`, { authorizer });
	const [first] = asked;
	assert.deepEqual([first?.namespace, first?.pod, first?.metric], ['demo', '*', 'socketfleet_connections']);
});
