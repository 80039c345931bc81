/** The informer against an API server that misbehaves: whatever happens, it ends with what is there. */
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { type TestContext, test } from 'node:test';
import { createSilentLogger } from '../../src/base/log.ts';
import { createKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { isFailure } from '../../src/kube/errors.ts';
import { Informer } from '../../src/kube/informer.ts';
import { keyOf, RESOURCES } from '../../src/kube/object.ts';
import { createTransport } from '../../src/kube/transport.ts';
import { ApiServer, failWith } from '../support/api-server.ts';
import { waitFor } from '../support/wait.ts';

const PATH = '/api/v1/namespaces/demo/pods';
const isWatch = (req: IncomingMessage): boolean => req.url?.includes('watch=true') ?? false;
const isList = (req: IncomingMessage): boolean => !isWatch(req);

function clientOf(t: TestContext, url: string, requestTimeoutMs = 20_000): KubeClient {
	const client = createKubeClient({ transport: createTransport(url, async () => Promise.resolve()), requestTimeoutMs });
	t.after(() => client.close());
	return client;
}

interface Watched {
	readonly api: ApiServer;
	readonly informer: Informer;
	readonly restarts: string[];
	names(): string[];
	/** Until the informer has these and watches. */
	expect(...names: string[]): Promise<void>;
}

function watch(t: TestContext, api: ApiServer, options: { relistMs?: number; optional?: boolean } = {}): Watched {
	const restarts: string[] = [];
	const informer = new Informer({
		client: clientOf(t, api.url),
		resource: RESOURCES.Pod,
		scope: { namespace: 'demo' },
		log: createSilentLogger(),
		backoff: { minMs: 20, maxMs: 100 },
		onRestart: (reason) => restarts.push(reason),
		...options,
	});
	t.after(() => informer.close());
	const names = (): string[] =>
		informer
			.all()
			.map(({ metadata }) => metadata.name)
			.sort();
	return {
		api,
		informer,
		restarts,
		names,
		expect: async (...wanted) => {
			await waitFor(`${wanted.join()} to be seen`, () => names().join() === wanted.join() && api.openWatches === 1);
		},
	};
}

test('a first list that fails is tried again: start() waits for it', async (t) => {
	const api = await ApiServer.start(t);
	api.put(PATH, 'a');
	api.faults.push(failWith(429, { message: 'slow down' }, isList), failWith(500, {}, isList));
	const { informer, restarts, expect } = watch(t, api);
	await informer.start();
	assert.deepEqual([informer.hasSynced, restarts], [true, ['throttled', 'other']]);
	await expect('a');
	api.put(PATH, 'b');
	await expect('a', 'b');
	api.delete(PATH, 'a');
	await expect('b');
});

test('a watch that is ended, cut or refused goes on from where it was, and nothing is missed', async (t) => {
	const api = await ApiServer.start(t);
	const { informer, restarts, expect } = watch(t, api);
	await informer.start();
	await expect();
	api.put(PATH, 'a');
	await expect('a');
	api.endWatches('end');
	api.put(PATH, 'b'); // while nobody watches
	await expect('a', 'b');
	api.faults.push(failWith(429, {}, isWatch, { 'retry-after': '1' }), failWith(503, { message: 'starting' }, isWatch));
	api.endWatches('cut');
	await waitFor('the watch to be refused twice', () => restarts.includes('throttled') && restarts.includes('other'));
	await expect('a', 'b');
	api.put(PATH, 'c');
	await expect('a', 'b', 'c');
	// From the last version that was seen, not from the beginning.
	assert.equal(api.requests.filter((request) => request === `GET ${PATH}`).length, 1);
});

test('a version that is too old means a new list: what was deleted meanwhile is gone', async (t) => {
	const api = await ApiServer.start(t);
	api.put(PATH, 'a');
	api.put(PATH, 'b');
	const { informer, restarts, expect } = watch(t, api);
	await informer.start();
	await expect('a', 'b');
	api.delete(PATH, 'a', true);
	api.say({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old', metadata: {} } });
	await waitFor('the old one to be dropped', () => informer.get(keyOf({ namespace: 'demo', name: 'a' })) === undefined);
	assert.ok(restarts.includes('gone'));
	await expect('b');
});

test('what a watch never told is found by the next list', async (t) => {
	const api = await ApiServer.start(t);
	api.put(PATH, 'a');
	const { informer, expect } = watch(t, api, { relistMs: 300 });
	await informer.start();
	await expect('a');
	api.delete(PATH, 'a', true);
	await expect();
});

test('a definition that is missing counts as empty, and is found when it comes', async (t) => {
	const api = await ApiServer.start(t);
	api.faults.push(failWith(404, { message: 'no such resource' }, isList));
	api.put(PATH, 'a');
	const { informer, expect } = watch(t, api, { optional: true, relistMs: 300 });
	await informer.start();
	assert.deepEqual([informer.isAbsent, informer.all().length], [true, 0]);
	await expect('a');
	assert.equal(informer.isAbsent, false);
});

test('a server that never answers fails the request in time; one that is away is "unreachable"', async (t) => {
	const api = await ApiServer.start(t);
	api.faults.push(() => true);
	const slow = clientOf(t, api.url, 2000);
	await assert.rejects(slow.get(RESOURCES.Pod, { namespace: 'demo', name: 'a' }), (error) => isFailure(error, 'unreachable'));
	// The same client is of use afterwards.
	assert.equal(await slow.get(RESOURCES.Pod, { namespace: 'demo', name: 'a' }), undefined);
	const away = clientOf(t, 'http://127.0.0.1:1');
	await assert.rejects(away.list(RESOURCES.Pod, {}), (error) => isFailure(error, 'unreachable'));
});

test('close() ends a watch that is open and one that waits for its next try', async (t) => {
	const api = await ApiServer.start(t);
	const { informer, expect } = watch(t, api);
	await informer.start();
	await expect();
	await informer.close();
	await waitFor('the watch to be closed', () => api.openWatches === 0);
	const other = watch(t, api);
	api.faults.push(...Array.from({ length: 1000 }, () => failWith(500, {}, () => true)));
	void other.informer.start();
	await waitFor('a try to fail', () => other.restarts.length > 0);
	await other.informer.close();
	assert.equal(other.informer.hasSynced, false);
});
