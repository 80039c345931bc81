import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KubeObject, pickText } from '../../../src/kube/object.ts';
import { applyDefaults } from '../../../src/operator/api/defaults.ts';
import { buildFleetKeySecret, buildRedisSecret, isRotationRefused } from '../../../src/operator/desired/secrets.ts';

let words = 0;
const random = (length: number): string => `w${++words}`.padEnd(length, '.');

function input(rotation: number) {
	return { name: 'chat', namespace: 'demo', spec: applyDefaults({ fleetKey: { rotation } }) };
}

function step(rotation: number, existing: KubeObject | undefined): KubeObject {
	const secret = buildFleetKeySecret(input(rotation), () => existing, random);
	assert.ok(secret);
	return secret;
}

function keys(secret: KubeObject): readonly [string, string] {
	const read = (key: string): string => Buffer.from(pickText(secret, 'data', key), 'base64').toString();
	return [read('current'), read('previous')];
}

test('the fleet key is kept, and rotated in two steps so that no two pods ever disagree', () => {
	const first = step(0, undefined);
	const [old] = keys(first);
	assert.deepEqual([old.length, keys(first)[1]], [48, '']);
	assert.deepEqual(keys(step(0, first)), [old, ''], 'kept');

	const announced = step(1, first);
	const [current, next] = keys(announced);
	assert.deepEqual([current, next.length], [old, 48], 'every pod learns the new key, none uses it');
	assert.deepEqual(keys(step(1, announced)), [old, next], 'the same step again changes nothing');

	assert.deepEqual(keys(step(2, announced)), [next, old], 'used, the old one still accepted');
	// A step that is left out would lock pods out of each other: it is refused, and nothing changes.
	assert.deepEqual(keys(step(2, first)), [old, '']);
	assert.deepEqual([isRotationRefused(input(2), () => first), isRotationRefused(input(1), () => first)], [true, false]);
});

test('a generated password outlives every look', () => {
	const first = buildRedisSecret(input(0), () => undefined, random);
	const again = buildRedisSecret(input(0), () => first, random);
	assert.deepEqual(again, first);
});
