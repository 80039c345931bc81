import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pick } from '../../../src/kube/object.ts';
import { FLEET_OPTIONS } from '../../../src/operator/api/config-field.ts';
import { buildCrd } from '../../../src/operator/api/crd.ts';
import { applyDefaults } from '../../../src/operator/api/defaults.ts';

/** Every schema in the definition with its path. */
function* schemas(schema: unknown, path: string): Iterable<readonly [string, Record<string, unknown>]> {
	if (typeof schema !== 'object' || schema === null) {
		return;
	}
	yield [path, schema as Record<string, unknown>];
	for (const [key, child] of Object.entries(pick(schema, 'properties') ?? {})) {
		yield* schemas(child, `${path}.${key}`);
	}
	yield* schemas(pick(schema, 'items'), `${path}[]`);
}

const [version] = pick(buildCrd(), 'spec', 'versions') as readonly unknown[];
const root = pick(version, 'schema', 'openAPIV3Schema');

test('every field of the spec and the status explains itself', () => {
	const silent = [...schemas(pick(root, 'properties', 'spec'), 'spec'), ...schemas(pick(root, 'properties', 'status'), 'status')]
		.filter(([path]) => !path.endsWith('[]'))
		.filter(([, { description }]) => typeof description !== 'string' || description.length < 3)
		.map(([path]) => path);
	assert.deepEqual(silent, []);
});

test('defaults fill in what is not said, and keep what is', () => {
	const spec = applyDefaults({ replicas: 0, ingress: { affinity: { mode: 'none' } }, config: { workers: 2 }, podLabels: { a: 'b' } });
	assert.equal(spec.replicas, 0);
	assert.deepEqual(spec.ingress.affinity, { mode: 'none', cookieName: 'socketfleet', sameSite: 'Lax', maxAgeSeconds: 0 });
	assert.deepEqual([spec.config, spec.podLabels], [{ workers: 2 }, { a: 'b' }]);
	assert.deepEqual(applyDefaults(spec), spec);
});

test('what the fleet derives itself cannot be said a second time', () => {
	for (const key of ['redisUrl', 'port', 'fleetKey', 'drainDelayMs', 'app'] as const) {
		assert.equal(FLEET_OPTIONS.includes(key), false, key);
	}
	assert.equal(FLEET_OPTIONS.includes('workers'), true);
});
