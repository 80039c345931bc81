import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../support/kube.ts';
import { deleteCluster } from './cluster.ts';

test('the cluster is gone, unless KEEP_CLUSTER says to keep it', async (t) => {
	if (process.env.KEEP_CLUSTER !== undefined) {
		t.diagnostic('kept: kind export kubeconfig --name sf');
		return;
	}
	await deleteCluster();
	assert.ok(!(await run('kind', ['get', 'clusters'])).split('\n').includes('sf'));
});
