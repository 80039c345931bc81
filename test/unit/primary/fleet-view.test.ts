import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newestOfPeers } from '../../../src/primary/fleet-view.ts';

test('of what the workers know of a pod, the newest counts', () => {
	const peer = (pod: string, at: number, workers: number) => ({ pod, at, workers, load: undefined });
	const seen = [peer('b', 5, 1), peer('a', 9, 1), peer('b', 7, 2), peer('b', 6, 3)];
	assert.deepEqual(newestOfPeers(seen), [peer('a', 9, 1), peer('b', 7, 2)]);
});
