import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authenticate, type FrontProxyTrust, parseTrust } from '../../../../src/operator/metrics-api/front-proxy.ts';

const DATA = {
	'requestheader-client-ca-file': 'PEM',
	'requestheader-allowed-names': '["front-proxy-client"]',
	'requestheader-username-headers': '["X-Remote-User"]',
	'requestheader-group-headers': '["X-Remote-Group"]',
	'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
};
const trustOf = (data: object): FrontProxyTrust | undefined =>
	parseTrust({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data });
const TRUST = trustOf(DATA) as FrontProxyTrust;
const PROXY = { verified: true, commonName: 'front-proxy-client' };
const ALICE = { 'x-remote-user': ['alice'], 'x-remote-group': ['dev', 'ops'], 'x-remote-extra-a%2fb': ['1', '2'], authorization: ['x'] };

test('what the cluster trusts', () => {
	assert.deepEqual(TRUST, {
		clientCa: 'PEM',
		allowedNames: ['front-proxy-client'],
		userHeaders: ['x-remote-user'],
		groupHeaders: ['x-remote-group'],
		extraPrefixes: ['x-remote-extra-'],
	});
	assert.deepEqual(trustOf({ ...DATA, 'requestheader-allowed-names': undefined })?.allowedNames, []);
	const broken = [
		{},
		{ ...DATA, 'requestheader-client-ca-file': '' },
		{ ...DATA, 'requestheader-allowed-names': 'front-proxy-client' },
		{ ...DATA, 'requestheader-allowed-names': '[1]' },
		{ ...DATA, 'requestheader-username-headers': '' },
	];
	for (const data of broken) {
		assert.equal(trustOf(data), undefined, JSON.stringify(data));
	}
	assert.equal(parseTrust(undefined), undefined);
});

test('the front proxy names a user, who has the group that every user has', () => {
	assert.deepEqual(authenticate(TRUST, PROXY, ALICE), {
		name: 'alice',
		groups: ['dev', 'ops', 'system:authenticated'],
		extra: { 'a/b': ['1', '2'] },
	});
	assert.deepEqual(authenticate(TRUST, PROXY, { 'x-remote-user': ['system:kube-aggregator'] })?.groups, ['system:authenticated']);
	const anonymous = { 'x-remote-user': ['system:anonymous'], 'x-remote-group': ['system:unauthenticated'] };
	assert.deepEqual(authenticate(TRUST, PROXY, anonymous)?.groups, ['system:unauthenticated']);
	assert.equal(authenticate({ ...TRUST, allowedNames: [] }, { verified: true, commonName: 'any' }, ALICE)?.name, 'alice');
});

test('headers of anyone else mean nothing', () => {
	assert.equal(authenticate(TRUST, { verified: false, commonName: undefined }, ALICE), undefined);
	assert.equal(authenticate(TRUST, { verified: false, commonName: 'front-proxy-client' }, ALICE), undefined);
	assert.equal(authenticate(TRUST, { verified: true, commonName: 'kubernetes-admin' }, ALICE), undefined);
	assert.equal(authenticate({ ...TRUST, allowedNames: [] }, { verified: false, commonName: 'any' }, ALICE), undefined);
	assert.equal(authenticate(TRUST, PROXY, {}), undefined);
	assert.equal(authenticate(TRUST, PROXY, { 'x-remote-user': [''] }), undefined);
});
