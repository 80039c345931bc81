import assert from 'node:assert/strict';
import { test } from 'node:test';
import { APPLIED_ANNOTATION, needsApply, stamp } from '../../../src/kube/apply.ts';
import type { KubeObject } from '../../../src/kube/object.ts';

const wanted: KubeObject = stamp({
	apiVersion: 'v1',
	kind: 'Service',
	metadata: { name: 'a', labels: { x: 'y' } },
	spec: { ports: [{ name: 'http', port: 80 }] },
});

/** As the API server gives it back: with what it fills in. */
function live(change: (object: Record<string, unknown>) => void = () => undefined): KubeObject {
	const object = structuredClone({
		...wanted,
		metadata: { ...wanted.metadata, uid: 'u', labels: { ...wanted.metadata.labels, foreign: '1' } },
		spec: { clusterIP: '10.0.0.1', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
	});
	change(object as unknown as Record<string, unknown>);
	return object;
}

test('what is there already, with defaults and the labels of others, is left alone', () => {
	assert.equal(needsApply(wanted, live()), false);
});

test('what is missing, edited or no longer wanted is applied', () => {
	assert.equal(needsApply(wanted, undefined), true);
	const edited = live((object) => {
		object.spec = { ports: [{ name: 'http', port: 81 }] };
	});
	assert.equal(needsApply(wanted, edited), true);
	const longer = live((object) => {
		object.spec = {
			ports: [
				{ name: 'http', port: 80 },
				{ name: 'more', port: 1 },
			],
		};
	});
	assert.equal(needsApply(wanted, longer), true);
	// A label that was applied before and is not wanted any more: only the hash tells.
	const before = stamp({ ...wanted, metadata: { name: 'a', labels: { x: 'y', gone: '1' } } });
	assert.notEqual(before.metadata.annotations?.[APPLIED_ANNOTATION], wanted.metadata.annotations?.[APPLIED_ANNOTATION]);
	assert.equal(needsApply(wanted, before), true);
});
