import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { PublisherMark } from '../../../../src/stream/entry.ts';
import { FakePod } from '../fake-bus.ts';
import { at, entryOf, FakeWorker, passed } from '../fake-worker.ts';

const mark = (sequence: number, publisher = 'p0'): PublisherMark => ({ publisher, sequence });
const nextTurn = (): Promise<void> => new Promise(setImmediate);
/** The outbox looks that often at what is to be given up or settled. */
const LOOK_MS = 250;
/** An echo is waited for that long. */
const OVERDUE_MS = 2000;
/** A message that was given up may turn up for that long. */
const SETTLED_MS = 40_000;

/** Time that stands still until it is told to go on, in steps in which the outbox looks. */
function stopClock(t: TestContext): (ms: number) => void {
	let now = 1_000_000;
	t.mock.method(performance, 'now', () => now);
	t.mock.timers.enable({ apis: ['setInterval'] });
	return (ms) => {
		now += ms;
		t.mock.timers.tick(LOOK_MS);
	};
}

function createPod(t: TestContext): { readonly pod: FakePod; readonly sender: FakeWorker; readonly sibling: FakeWorker } {
	const pod = new FakePod();
	return { pod, sender: new FakeWorker(t, { pod, slot: 0 }), sibling: new FakeWorker(t, { pod, slot: 1 }) };
}

test('own messages are delivered when they come back; what is late is delivered at once, with all before it, and not again', async (t) => {
	const worker = new FakeWorker(t);
	const { dispatcher, outbox, heard } = worker;
	for (const name of ['m1', 'm2', 'm3', 'm4']) {
		worker.publish(name);
	}
	assert.deepEqual(heard, []);
	outbox.onPublished(mark(1), at(11));
	dispatcher.receive([entryOf(11, 'm1', { pub: 'p0 1' })]);
	outbox.onLate(mark(3));
	assert.deepEqual(heard, ['m1@11-0', 'm2@11-0~', 'm3@11-0~']);
	dispatcher.receive([entryOf(12, 'm2', { pub: 'p0 2' }), entryOf(13, 'm3', { pub: 'p0 3' }), entryOf(14, 'other')]);
	dispatcher.receive([entryOf(15, 'm4', { pub: 'p0 4' })]);
	assert.deepEqual(heard.slice(3), ['other@14-0', 'm4@15-0']);
	assert.deepEqual(await worker.dropped(), { echo: 2 });
});

test('a message that came back before it counted as late is not delivered again', (t) => {
	const worker = new FakeWorker(t);
	worker.publish('m1');
	worker.dispatcher.receive([entryOf(11, 'm1', { pub: 'p0 1' })]);
	worker.outbox.onLate(mark(1));
	assert.deepEqual(worker.heard, ['m1@11-0']);
	assert.deepEqual(worker.outside, []);
});

test('clients are ahead of the log from a late message to the echo of the last one', (t) => {
	const worker = new FakeWorker(t);
	const { dispatcher, outbox } = worker;
	for (const name of ['m1', 'm2', 'm3']) {
		worker.publish(name);
	}
	dispatcher.receive([entryOf(11, 'm1', { pub: 'p0 1' })]);
	assert.equal(outbox.isOutside('/'), false);
	outbox.onLate(mark(3));
	assert.equal(outbox.isOutside('/'), true);
	assert.equal(outbox.isOutside('/other'), false);
	assert.deepEqual([outbox.hasGivenUp(mark(1)), outbox.hasGivenUp(mark(2)), outbox.hasGivenUp(mark(3))], [false, true, true]);
	dispatcher.receive([entryOf(12, 'm2', { pub: 'p0 2' })]);
	assert.equal(outbox.isOutside('/'), true, 'the third may still come');
	dispatcher.receive([entryOf(13, 'm3', { pub: 'p0 3' })]);
	assert.equal(outbox.isOutside('/'), false);
	assert.deepEqual(worker.outside, ['/ true', '/ true', '/ false']);
});

test('of a late message whose room nobody here has any more, the reply tells where the log catches up', (t) => {
	const passTime = stopClock(t);
	const worker = new FakeWorker(t);
	worker.publish('m1', 'gone');
	worker.outbox.onLate(mark(1));
	worker.outbox.onPublished(mark(1), at(15));
	worker.dispatcher.receive([passed(14)]);
	passTime(LOOK_MS);
	assert.equal(worker.outbox.isOutside('/'), true);
	worker.dispatcher.receive([passed(15)]);
	passTime(LOOK_MS);
	assert.equal(worker.outbox.isOutside('/'), false);
	assert.deepEqual(worker.outside, ['/ true', '/ false']);
});

test('a late message that never gets to the log keeps clients ahead of it until it can not turn up any more', (t) => {
	const passTime = stopClock(t);
	const worker = new FakeWorker(t);
	worker.publish('m1');
	worker.outbox.onLate(mark(1));
	passTime(SETTLED_MS - 1);
	assert.equal(worker.outbox.isOutside('/'), true);
	passTime(1);
	assert.equal(worker.outbox.isOutside('/'), false);
	assert.equal(worker.outbox.hasGivenUp(mark(1)), true, 'its sequence is missing, and that is no loss here');
	assert.deepEqual(worker.outside, ['/ true', '/ false']);
});

test('what was delivered without the log and lies behind a gap is waited for until the log has passed it', (t) => {
	const passTime = stopClock(t);
	const worker = new FakeWorker(t);
	worker.publish('late');
	worker.outbox.onLate(mark(1));
	worker.dispatcher.skipTo('rewound', at(20));
	assert.equal(worker.outbox.isOutside('/'), true, 'it may still come');
	worker.publish('next');
	worker.outbox.onPublished(mark(1), at(21));
	worker.outbox.onPublished(mark(2), at(22));
	worker.dispatcher.receive([entryOf(22, 'next', { pub: 'p0 2' })]);
	passTime(LOOK_MS);
	assert.equal(worker.outbox.isOutside('/'), false);
	assert.deepEqual(worker.outside, ['/ true', '/ false']);
	assert.deepEqual(worker.heard, ['late@10-0~', 'next@22-0']);
});

test('what Redis did not take reaches the siblings, once, whichever way it comes first', (t) => {
	const { sender, sibling } = createPod(t);
	sender.publish('m1');
	sender.publish('m2');
	// The first one had reached the log, and the sibling, before the sender gave up.
	sibling.dispatcher.receive([entryOf(11, 'm1', { pub: 'p0 1' })]);
	sender.outbox.onLate(mark(2));
	assert.deepEqual(sender.heard, ['m1@10-0~', 'm2@10-0~']);
	assert.deepEqual(sibling.heard, ['m1@11-0', 'm2@11-0~']);
	assert.equal(sibling.outbox.isOutside('/'), true);
	for (const worker of [sender, sibling]) {
		worker.dispatcher.receive([entryOf(11, 'm1', { pub: 'p0 1' }), entryOf(12, 'm2', { pub: 'p0 2' })]);
		assert.equal(worker.heard.length, 2);
		assert.equal(worker.outbox.isOutside('/'), false);
	}
});

test('siblings are told where on the log a message is that they were given without it', async (t) => {
	const passTime = stopClock(t);
	const { sender, sibling } = createPod(t);
	sender.publish('m1', 'gone');
	sender.outbox.onLate(mark(1));
	sender.outbox.onPublished(mark(1), at(15));
	sibling.dispatcher.receive([passed(15)]);
	passTime(LOOK_MS);
	assert.equal(sibling.outbox.isOutside('/'), true, 'it does not know yet');
	await nextTurn();
	passTime(LOOK_MS);
	assert.equal(sibling.outbox.isOutside('/'), false);
	assert.deepEqual(sibling.outside, ['/ true', '/ false']);
});

test('an acknowledged message that reading does not come to is delivered without the log after a while, here and at the siblings', (t) => {
	const passTime = stopClock(t);
	const { sender, sibling } = createPod(t);
	sender.publish('m1');
	sender.publish('m2');
	sender.publish('not acknowledged');
	sender.outbox.onPublished(mark(1), at(11));
	passTime(500);
	sender.outbox.onPublished(mark(2), at(12));
	passTime(OVERDUE_MS - 501);
	assert.deepEqual(sender.heard, []);
	passTime(1);
	assert.deepEqual(sender.heard, ['m1@10-0~']);
	passTime(500);
	assert.deepEqual(sender.heard, ['m1@10-0~', 'm2@10-0~']);
	assert.deepEqual(sibling.heard, sender.heard);
	assert.equal(sender.outbox.isOutside('/'), true);
	for (const worker of [sender, sibling]) {
		worker.dispatcher.receive([entryOf(11, 'm1', { pub: 'p0 1' }), passed(12)]);
	}
	passTime(LOOK_MS);
	for (const worker of [sender, sibling]) {
		assert.equal(worker.heard.length, 2);
		assert.equal(worker.outbox.isOutside('/'), false, 'siblings know where it is, too');
	}
});

test('an acknowledged message that the cursor passes was for nobody here', (t) => {
	const passTime = stopClock(t);
	const worker = new FakeWorker(t);
	worker.publish('m1', 'elsewhere');
	worker.publish('m2', 'elsewhere');
	worker.outbox.onPublished(mark(1), at(11));
	worker.outbox.onPublished(mark(2), at(13));
	worker.dispatcher.receive([passed(12)]);
	worker.outbox.onLate(mark(1));
	passTime(OVERDUE_MS);
	assert.deepEqual(worker.heard, ['m2@12-0~']);
});

test('a reply that comes when the cursor has passed the message leaves nothing to wait for', (t) => {
	const passTime = stopClock(t);
	const worker = new FakeWorker(t);
	worker.publish('m1', 'elsewhere');
	worker.dispatcher.receive([passed(11)]);
	worker.outbox.onPublished(mark(1), at(11));
	passTime(OVERDUE_MS);
	assert.deepEqual(worker.heard, []);
	assert.deepEqual(worker.outside, []);
});

test('with a gap, acknowledged messages are waited for no longer; those that Redis does not have may still come', (t) => {
	const passTime = stopClock(t);
	const worker = new FakeWorker(t);
	worker.publish('lost with the gap');
	worker.publish('not acknowledged');
	worker.outbox.onPublished(mark(1), at(11));
	worker.dispatcher.skipTo('trimmed', at(20));
	passTime(OVERDUE_MS);
	assert.deepEqual(worker.heard, []);
	worker.dispatcher.receive([entryOf(21, 'not acknowledged', { pub: 'p0 2' })]);
	assert.deepEqual(worker.heard, ['not acknowledged@21-0']);
	assert.deepEqual(worker.outside, []);
});

test('own messages make a join begin behind them as soon as Redis has said where they are', (t) => {
	const worker = new FakeWorker(t);
	worker.publish('m1');
	worker.outbox.onPublished(mark(1), at(15));
	assert.equal(worker.position.joinedAt, at(15));
	assert.equal(worker.position.cursor, at(10));
});

test('a pod knows whose messages its clients were given without the log', (t) => {
	const { sender, sibling } = createPod(t);
	sender.publish('m1');
	assert.equal(sender.outbox.isOfThisPod(mark(1)), false);
	sender.outbox.onLate(mark(1));
	for (const { outbox } of [sender, sibling]) {
		assert.deepEqual([outbox.isOfThisPod(mark(1)), outbox.isOfThisPod(mark(1, 'p1'))], [true, false]);
	}
});

test('a namespace that is not here is ahead of nothing, and a frame of no sense changes nothing', (t) => {
	const { pod, sender, sibling } = createPod(t);
	sender.add('/only/there');
	sender.outbox.publish({ uid: 'u', nsp: '/only/there', type: 3, data: '{' }, []);
	sender.outbox.onLate(mark(1));
	assert.deepEqual([sender.outside, sibling.outside], [['/only/there true'], []]);
	assert.doesNotThrow(() => pod.deliver(0, 1, 'outbox', Buffer.from('no frame')));
	assert.deepEqual([sender.heard, sibling.heard], [[], []]);
});

test('a sibling that is behind is given what went before a late message in the order of the sender, whichever of it came back first', (t) => {
	const { sender, sibling } = createPod(t);
	for (const name of ['m1', 'm2', 'm3']) {
		sender.publish(name);
	}
	// The first is for rooms that the sender has not: it passes when the second has come.
	sender.dispatcher.receive([entryOf(12, 'm2', { pub: 'p0 2' })]);
	sender.outbox.onPublished(mark(1), at(11));
	sender.outbox.onPublished(mark(2), at(12));
	sender.dispatcher.receive([passed(12)]);
	sender.outbox.onLate(mark(3));
	assert.deepEqual(
		sibling.heard.map((heard) => heard.split('@')[0]),
		['m1', 'm2', 'm3'],
	);
	sibling.dispatcher.receive([entryOf(11, 'm1', { pub: 'p0 1' }), entryOf(12, 'm2', { pub: 'p0 2' })]);
	assert.equal(sibling.heard.length, 3, 'what the log brings then is an echo');
});
