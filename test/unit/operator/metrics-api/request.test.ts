import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRequest } from '../../../../src/operator/metrics-api/request.ts';

const ROOT = '/apis/custom.metrics.k8s.io/v1beta2';

test('paths', () => {
	const kinds: readonly (readonly [string, string])[] = [
		['/livez', 'live'],
		['/apis', 'groups'],
		['/apis/', 'groups'],
		['/apis/custom.metrics.k8s.io', 'group'],
		[ROOT, 'resources'],
		[`${ROOT}?timeout=32s`, 'resources'],
		['/openapi/v3', 'open-api'],
		['/openapi/v2', 'unknown-path'],
		['/', 'unknown-path'],
		['', 'unknown-path'],
		['/constructor', 'unknown-path'],
		['/apis/customXmetrics.k8s.io/v1beta2', 'unknown-path'],
		['/apis/custom.metrics.k8s.io/v1beta1', 'unknown-path'],
		[`${ROOT}/namespaces/demo/pods/*/socketfleet_connections`, 'values'],
		[`${ROOT}/namespaces/demo/pods/*`, 'unknown-path'],
		[`${ROOT}/namespaces/demo/services/*/socketfleet_connections`, 'unknown-path'],
		[`${ROOT}/namespaces/demo/pods/a/b/socketfleet_connections`, 'unknown-path'],
		[`${ROOT}/nodes/*/socketfleet_connections`, 'unknown-path'],
		[`${ROOT}/namespaces/%zz/pods/*/x`, 'malformed'],
	];
	for (const [url, kind] of kinds) {
		assert.equal(parseRequest('GET', url).kind, kind, url);
	}
});

test('methods: a path that is not there is that, whatever the method', () => {
	assert.equal(parseRequest('HEAD', ROOT).kind, 'resources');
	assert.equal(parseRequest('POST', ROOT).kind, 'wrong-method');
	assert.equal(parseRequest('DELETE', `${ROOT}/namespaces/demo/pods/*/x`).kind, 'wrong-method');
	assert.equal(parseRequest('POST', '/nothing').kind, 'unknown-path');
});

test('a request for values: names, and selectors that decide', () => {
	const request = parseRequest('GET', `${ROOT}/namespaces/demo/pods/%2A/socketfleet_connections?labelSelector=app+in+(a%2Cb)%2Ctier!%3Dx`);
	assert.ok(request.kind === 'values');
	assert.deepEqual([request.namespace, request.pod, request.metric], ['demo', '*', 'socketfleet_connections']);
	assert.equal(request.selector, 'app in (a,b),tier!=x');
	assert.deepEqual([request.selects({ app: 'a' }), request.selects({ app: 'a', tier: 'x' }), request.selects({})], [true, false, false]);
	assert.equal(request.selectsSeries({}), true);
});

test('selectors that are malformed are named', () => {
	const wrong = parseRequest('GET', `${ROOT}/namespaces/demo/pods/*/x?labelSelector=app%3D%3D%3D`);
	assert.ok(wrong.kind === 'malformed');
	assert.match(wrong.problem, /unable to parse labelSelector "app==="/);
	const series = parseRequest('GET', `${ROOT}/namespaces/demo/pods/*/x?metricLabelSelector=(`);
	assert.ok(series.kind === 'malformed');
	assert.match(series.problem, /metricLabelSelector "\("/);
});
