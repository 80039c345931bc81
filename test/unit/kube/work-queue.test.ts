import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { WorkQueue, type WorkResult } from '../../../src/kube/work-queue.ts';

const BACKOFF = { minMs: 100, maxMs: 1000 };
const DONE: WorkResult = { kind: 'done' };

interface Harness {
	readonly queue: WorkQueue<string>;
	readonly seen: string[];
	/** Ends the look at `key` that is under way. */
	finish(key: string, result?: WorkResult): Promise<void>;
}

function createHarness(concurrency = 1): Harness {
	const seen: string[] = [];
	const open = new Map<string, PromiseWithResolvers<WorkResult>>();
	const queue = new WorkQueue<string>({ backoff: BACKOFF, concurrency }, (key) => {
		assert.equal(open.has(key), false, `${key} is worked on twice at once`);
		seen.push(key);
		const work = Promise.withResolvers<WorkResult>();
		open.set(key, work);
		return work.promise;
	});
	const finish = async (key: string, result = DONE): Promise<void> => {
		const work = open.get(key);
		open.delete(key);
		work?.resolve(result);
		await settle();
	};
	return { queue, seen, finish };
}

/** Lets everything run that waits for no timer. */
async function settle(): Promise<void> {
	for (let turn = 0; turn < 10; turn++) {
		await Promise.resolve();
	}
}

test('keys are kept until the start, each once, in their order; no more at once than allowed', async () => {
	const { queue, seen, finish } = createHarness(2);
	for (const key of ['a', 'b', 'a', 'c']) {
		queue.add(key);
	}
	assert.deepEqual([seen, queue.depth], [[], 3]);
	queue.start();
	assert.deepEqual(seen, ['a', 'b']);
	await finish('a');
	assert.deepEqual(seen, ['a', 'b', 'c']);
	await finish('b');
	await finish('c');
	assert.equal(queue.depth, 0);
});

test('a key that is added while it is worked on is worked on once more, afterwards', async () => {
	const { queue, seen, finish } = createHarness();
	queue.start();
	queue.add('a');
	queue.add('a');
	queue.add('a');
	assert.deepEqual(seen, ['a']);
	await finish('a');
	assert.deepEqual(seen, ['a', 'a']);
	await finish('a');
	assert.deepEqual(seen, ['a', 'a']);
});

test('failures are tried again ever later, also when the key changed meanwhile; a success forgets them', async (t) => {
	mock.timers.enable({ apis: ['setTimeout', 'Date'] });
	t.after(() => mock.timers.reset());
	const { queue, seen, finish } = createHarness();
	const failed: WorkResult = { kind: 'failed', error: new Error('x') };
	queue.start();
	queue.add('a');
	queue.add('a'); // while it is worked on
	await finish('a', failed);
	assert.equal(seen.length, 1);
	mock.timers.tick(100);
	assert.equal(seen.length, 2);
	await finish('a', failed);
	mock.timers.tick(99);
	assert.equal(seen.length, 2, 'the second delay is at least half of 200 ms');
	mock.timers.tick(101);
	assert.equal(seen.length, 3);
	await finish('a');
	queue.add('a');
	await finish('a', failed);
	mock.timers.tick(100);
	assert.equal(seen.length, 5, 'the first delay again');
});

test('of several due times the earliest counts', async (t) => {
	mock.timers.enable({ apis: ['setTimeout', 'Date'] });
	t.after(() => mock.timers.reset());
	const { queue, seen, finish } = createHarness();
	queue.start();
	queue.add('a');
	await finish('a', { kind: 'requeue', afterMs: 10_000 });
	queue.addAfter('a', 500);
	queue.addAfter('a', 5000);
	mock.timers.tick(500);
	assert.equal(seen.length, 2);
	await finish('a');
	mock.timers.tick(20_000);
	assert.equal(seen.length, 2);
});

test('stop waits for what is under way, and nothing runs after it', async () => {
	const { queue, seen, finish } = createHarness();
	queue.start();
	queue.add('a');
	queue.add('b');
	let stopped = false;
	const stopping = queue.stop().then(() => {
		stopped = true;
	});
	await settle();
	assert.equal(stopped, false);
	await finish('a', { kind: 'failed', error: new Error('x') });
	await stopping;
	assert.deepEqual(seen, ['a']);
});
