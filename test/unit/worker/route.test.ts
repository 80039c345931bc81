import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mintSessionId } from '../../../src/net/session-id.ts';
import { routeOf } from '../../../src/worker/route.ts';

const SELF = { pod: 'abcd', slot: 1 };

test('a request goes to the owner of its session', () => {
	assert.deepEqual(routeOf(undefined, SELF, false), { kind: 'own' });
	assert.deepEqual(routeOf(mintSessionId(SELF), SELF, false), { kind: 'own' });
	assert.deepEqual(routeOf(mintSessionId({ pod: 'abcd', slot: 0 }), SELF, false), { kind: 'sibling', slot: 0 });
	assert.deepEqual(routeOf(mintSessionId({ pod: 'wxyz', slot: 1 }), SELF, false), { kind: 'pod', pod: 'wxyz', slot: 1 });
});

test('what is no id is unknown, and what was forwarded once is never forwarded again', () => {
	for (const id of ['', 'short', `${mintSessionId(SELF)}x`, 'abcd1/../../../etc/pa']) {
		assert.deepEqual(routeOf(id, SELF, false), { kind: 'unknown', reason: 'malformed' }, id);
	}
	assert.deepEqual(routeOf(mintSessionId(SELF), SELF, true), { kind: 'own' });
	for (const owner of [
		{ pod: 'abcd', slot: 0 },
		{ pod: 'wxyz', slot: 1 },
	]) {
		assert.deepEqual(routeOf(mintSessionId(owner), SELF, true), { kind: 'unknown', reason: 'forwarded' });
	}
});
