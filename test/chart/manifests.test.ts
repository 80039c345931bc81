import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { renderManifests } from '../../scripts/manifests.ts';
import { parseObjects } from '../support/kube-chart.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

test('k8s/ is what the chart renders', () => {
	for (const [path, text] of renderManifests()) {
		assert.equal(readFileSync(`${ROOT}${path}`, 'utf8'), text, `${path} is stale: node scripts/manifests.ts`);
	}
});

test('k8s/ holds no secret and no namespace of its own', () => {
	for (const [path, text] of renderManifests()) {
		for (const object of parseObjects(text)) {
			assert.notEqual(object.kind, 'Secret', path);
			assert.equal(object.metadata?.namespace, undefined, path);
		}
	}
});
