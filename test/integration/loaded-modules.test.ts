/** What a process need not have it does not load: a client of Redis alone is 10 MB. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLoadedModules } from '../support/loaded-modules.ts';

test('a worker that has no Redis loads no client of it, and nothing that needs one', async () => {
	const loaded = await findLoadedModules('src/worker/main.ts');
	assert.ok(loaded.some((url) => url.endsWith('/src/adapter/in-pod.ts')));
	const foreign = /\/node_modules\/ioredis\/|\/src\/redis\/(?!keys\.ts)|\/src\/adapter\/stream-adapter\.ts/;
	assert.deepEqual(
		loaded.filter((url) => foreign.test(url)),
		[],
	);
});
