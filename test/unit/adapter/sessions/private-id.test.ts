import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPrivateId, createWorkerId, workerOfPrivateId } from '../../../../src/adapter/sessions/private-id.ts';

test('a private id names the worker that gave it out, and is another one each time', () => {
	const worker = createWorkerId();
	const ids = Array.from({ length: 100 }, () => createPrivateId(worker));
	assert.equal(new Set(ids).size, ids.length);
	assert.deepEqual([...new Set(ids.map(workerOfPrivateId))], [worker]);
});

test('what is no private id of ours names no worker: nothing of it gets into the name of a channel', () => {
	const ours = createPrivateId(createWorkerId());
	// The third is one of Socket.IO itself, as the version before gave out.
	for (const text of ['', 'nobody', 'kDQLz3gYqWnJmv2xAAAB', `${ours}x`, `*${ours.slice(1)}`, `${ours.slice(0, -1)}\n`, `${ours}\n`]) {
		assert.equal(workerOfPrivateId(text), undefined, JSON.stringify(text));
	}
});
