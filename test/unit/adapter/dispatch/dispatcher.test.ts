import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MESSAGES_LOST } from '../../../../src/stream/entry.ts';
import { at, entryOf, FakeWorker, passed } from '../fake-worker.ts';

const nextTurn = (): Promise<void> => new Promise(setImmediate);

test('entries are handed over in order, each once, and not those of rooms and namespaces that are elsewhere', async (t) => {
	const worker = new FakeWorker(t);
	const { dispatcher, heard, position } = worker;
	dispatcher.receive([
		entryOf(9, 'old'),
		entryOf(11, 'a'),
		entryOf(12, 'b', { to: 'here' }),
		entryOf(13, 'c', { to: 'elsewhere' }),
		entryOf(14, 'd', { nsp: '/no' }),
	]);
	dispatcher.receive([entryOf(12, 'b'), entryOf(14, 'd'), entryOf(15, 'e')]);
	assert.deepEqual(heard, ['a@11-0', 'b@12-0', 'e@15-0']);
	assert.equal(position.cursor, at(15));
	assert.deepEqual(await worker.dropped(), { no_room: 1, no_namespace: 1 });
});

test('the cursor passes what is for nobody here, and what is older than it is ignored', (t) => {
	const { dispatcher, heard, position } = new FakeWorker(t);
	dispatcher.receive([passed(12), entryOf(11, 'late'), passed(9)]);
	assert.equal(position.cursor, at(12));
	dispatcher.receive([entryOf(12, 'passed already'), entryOf(13, 'a')]);
	assert.deepEqual(heard, ['a@13-0']);
});

test('an entry of no sense is passed over like any other', (t) => {
	const { dispatcher, heard, position } = new FakeWorker(t);
	dispatcher.receive([{ kind: 'malformed', id: at(11), reason: 'no_fields' }]);
	assert.equal(position.cursor, at(11));
	dispatcher.receive([entryOf(11, 'again'), entryOf(12, 'a')]);
	assert.deepEqual(heard, ['a@12-0']);
});

test('a namespace that throws stops nothing', async (t) => {
	const worker = new FakeWorker(t);
	const { namespaces, dispatcher, heard } = worker;
	namespaces.add('/bad', {
		rooms: new Set<string>(),
		deliver: () => {
			throw new Error('a listener of the application');
		},
	});
	dispatcher.receive([entryOf(11, 'x', { nsp: '/bad' }), entryOf(12, 'y')]);
	assert.deepEqual(heard, ['y@12-0']);
	assert.deepEqual(await worker.dropped(), { failed: 1 });
});

test('what was read is put between what was pushed, in the order of the log; an equal id is a repetition', (t) => {
	const { dispatcher, heard, position } = new FakeWorker(t);
	dispatcher.hold(at(10));
	dispatcher.receive([entryOf(12, 'pushed'), passed(13), entryOf(15, 'pushed too')]);
	dispatcher.merge([entryOf(14, 'read'), entryOf(11, 'read'), entryOf(12, 'pushed, and read'), entryOf(13, 'read')]);
	assert.deepEqual(heard, [], 'those who merge go on when they know that nothing is missing');
	dispatcher.hold(undefined);
	assert.deepEqual(heard, ['read@11-0', 'pushed@12-0', 'read@13-0', 'read@14-0', 'pushed too@15-0']);
	assert.equal(position.cursor, at(15));
});

test('an entry goes before the word that everything up to it has come, whichever was there first', (t) => {
	const { dispatcher, heard } = new FakeWorker(t);
	dispatcher.hold(at(10));
	dispatcher.receive([passed(11)]);
	dispatcher.merge([entryOf(11, 'a')]);
	dispatcher.hold(undefined);
	assert.deepEqual(heard, ['a@11-0']);
});

test('nothing after the limit is handed over: that entry itself is, and the rest as the limit moves', (t) => {
	const { dispatcher, heard, position } = new FakeWorker(t);
	dispatcher.hold(at(12));
	dispatcher.receive([entryOf(11, 'a'), entryOf(12, 'b'), entryOf(13, 'c'), passed(14), entryOf(15, 'd')]);
	assert.deepEqual(heard, ['a@11-0', 'b@12-0']);
	assert.equal(position.cursor, at(12));
	assert.equal(position.known, at(15));
	dispatcher.hold(at(14));
	assert.equal(position.cursor, at(14));
	dispatcher.hold(at(11));
	dispatcher.receive([entryOf(16, 'e')]);
	assert.equal(position.cursor, at(14), 'a limit behind the cursor takes nothing back');
	dispatcher.hold(undefined);
	assert.deepEqual(heard.slice(2), ['c@13-0', 'd@15-0', 'e@16-0']);
});

test('what must be saved first holds back the next entry, and the rest behind it in order', async (t) => {
	const { dispatcher, heard } = new FakeWorker(t);
	const saved = Promise.withResolvers<void>();
	let barrier: Promise<void> | undefined = saved.promise;
	dispatcher.setBarrier({ barrier: () => barrier, giveUpBarrier: () => assert.fail('given up') });
	dispatcher.receive([entryOf(11, 'a'), entryOf(12, 'b')]);
	dispatcher.receive([entryOf(13, 'c')]);
	await nextTurn();
	assert.deepEqual(heard, []);
	barrier = undefined;
	saved.resolve();
	await nextTurn();
	assert.deepEqual(heard, ['a@11-0', 'b@12-0', 'c@13-0']);
});

test('a barrier that a delivery raises holds back what follows it, with what is merged meanwhile', async (t) => {
	const worker = new FakeWorker(t);
	const saved = Promise.withResolvers<void>();
	let barrier: Promise<void> | undefined;
	worker.dispatcher.setBarrier({ barrier: () => barrier, giveUpBarrier: () => assert.fail('given up') });
	worker.onEvent = (name) => {
		barrier = name === 'a' ? saved.promise : undefined;
	};
	worker.dispatcher.receive([entryOf(11, 'a'), entryOf(13, 'c')]);
	worker.dispatcher.merge([entryOf(12, 'b')]);
	worker.dispatcher.hold(undefined);
	await nextTurn();
	assert.deepEqual(worker.heard, ['a@11-0']);
	barrier = undefined;
	saved.resolve();
	await nextTurn();
	assert.deepEqual(worker.heard, ['a@11-0', 'b@12-0', 'c@13-0']);
});

test('a barrier that Redis does not lift is given up after the publish timeout, once', async (t) => {
	const worker = new FakeWorker(t, { publishTimeoutMs: 5 });
	const givenUp = Promise.withResolvers<void>();
	let barrier: Promise<void> | undefined = new Promise<void>(() => undefined);
	let given = 0;
	worker.dispatcher.setBarrier({
		barrier: () => barrier,
		giveUpBarrier: () => {
			given++;
			barrier = undefined;
			givenUp.resolve();
		},
	});
	worker.dispatcher.receive([entryOf(11, 'a')]);
	assert.deepEqual([given, worker.heard], [0, []]);
	await givenUp.promise;
	await nextTurn();
	assert.deepEqual([given, worker.heard], [1, ['a@11-0']]);
});

test('a repeated entry of one publisher is dropped; a missing one is a loss for who follows the log', async (t) => {
	const entries = [
		entryOf(11, 'one', { pub: 'p 4' }),
		entryOf(12, 'two', { pub: 'p 5' }),
		entryOf(13, 'two again', { pub: 'p 5' }),
		entryOf(14, 'four', { pub: 'p 7' }),
	];
	for (const [seesAll, gaps] of [
		[true, [['sequence', at(14)]]],
		[false, []],
	] as const) {
		const worker = new FakeWorker(t);
		worker.dispatcher.follow(seesAll);
		worker.dispatcher.receive(entries);
		assert.deepEqual(worker.heard, ['one@11-0', 'two@12-0', 'four@14-0']);
		assert.deepEqual(worker.gaps, gaps, 'who is pushed a part cannot tell a loss from what is for others');
		assert.deepEqual(await worker.dropped(), { duplicate: 1 });
	}
});

test('what was seen as a part of the log says nothing about a hole once all of it is followed', (t) => {
	const { dispatcher, gaps, heard } = new FakeWorker(t);
	dispatcher.receive([entryOf(11, 'pushed', { pub: 'p 4' })]);
	dispatcher.follow(true);
	dispatcher.receive([entryOf(12, 'read', { pub: 'p 7' }), entryOf(13, 'read too', { pub: 'p 8' })]);
	assert.deepEqual(gaps, []);
	assert.equal(heard.length, 3);
});

test('what was given up here and never came is no loss for who follows the log', (t) => {
	const worker = new FakeWorker(t);
	worker.dispatcher.follow(true);
	for (const name of ['a', 'b', 'c']) {
		worker.publish(name);
	}
	worker.dispatcher.receive([entryOf(11, 'a', { pub: 'p0 1' })]);
	worker.outbox.onLate({ publisher: 'p0', sequence: 2 });
	worker.dispatcher.receive([entryOf(12, 'c', { pub: 'p0 3' })]);
	assert.deepEqual(worker.gaps, []);
	assert.deepEqual(worker.heard, ['a@11-0', 'b@11-0~', 'c@12-0']);
});

test('entries that are lost are told, what waited is dropped, and it goes on behind the gap', (t) => {
	const { dispatcher, gaps, heard, position } = new FakeWorker(t);
	dispatcher.hold(at(10));
	dispatcher.receive([entryOf(11, 'waits', { pub: 'p 1' })]);
	dispatcher.skipTo('trimmed', at(20));
	dispatcher.hold(undefined);
	dispatcher.receive([entryOf(19, 'older'), entryOf(21, 'a', { pub: 'p 9' })]);
	assert.deepEqual(gaps, [['trimmed', at(20)]]);
	assert.deepEqual(heard, ['a@21-0']);
	dispatcher.skipTo('trimmed', at(15));
	assert.deepEqual(gaps.at(-1), ['trimmed', at(21)], 'what is lost lies behind: it goes on where it was');
	assert.equal(position.cursor, at(21));
});

test('a log that was set back is read from where it is now, sequences anew', (t) => {
	for (const reason of ['rewound', 'epoch'] as const) {
		const { dispatcher, gaps, heard, position } = new FakeWorker(t);
		dispatcher.receive([entryOf(11, 'a', { pub: 'p 5' })]);
		dispatcher.skipTo(reason, at(3));
		assert.deepEqual(gaps, [[reason, at(3)]]);
		assert.deepEqual([position.cursor, position.known], [at(3), at(3)]);
		dispatcher.receive([entryOf(4, 'b', { pub: 'p 5' })]);
		assert.deepEqual(heard, ['a@11-0', 'b@4-0']);
	}
});

test('messages that another pod gave up are told to who has clients for them; what this pod gave up its clients were given', (t) => {
	const worker = new FakeWorker(t);
	const lost = (ms: number, pub: string): void =>
		worker.dispatcher.receive([entryOf(ms, 'unused', { type: MESSAGES_LOST, pub, to: 'here' })]);
	lost(11, 'elsewhere 7');
	assert.deepEqual(worker.heard, ['lost@11-0']);
	worker.publish('a', 'here');
	worker.publish('b', 'here');
	worker.outbox.onLate({ publisher: 'p0', sequence: 1 });
	lost(12, 'p0 2');
	assert.deepEqual(worker.heard.slice(1), ['a@11-0~']);
});

test('a delivery may hold what follows it', (t) => {
	const worker = new FakeWorker(t);
	worker.onEvent = () => worker.dispatcher.hold(worker.position.joinedAt);
	worker.dispatcher.receive([entryOf(11, 'a'), entryOf(12, 'b'), entryOf(13, 'c')]);
	assert.deepEqual(worker.heard, ['a@11-0']);
	worker.dispatcher.hold(at(12));
	assert.deepEqual(worker.heard, ['a@11-0', 'b@12-0']);
	worker.onEvent = () => undefined;
	worker.dispatcher.hold(undefined);
	assert.deepEqual(worker.heard, ['a@11-0', 'b@12-0', 'c@13-0']);
});

test('what comes during a delivery goes behind it, and behind what waits', (t) => {
	const worker = new FakeWorker(t);
	worker.onEvent = (name) => name === 'a' && worker.dispatcher.receive([entryOf(13, 'c')]);
	worker.dispatcher.receive([entryOf(11, 'a'), entryOf(12, 'b')]);
	assert.deepEqual(worker.heard, ['a@11-0', 'b@12-0', 'c@13-0']);
});

test('a delivery may find that the log was set back: what waited is dropped, and what comes then is handed over', (t) => {
	const worker = new FakeWorker(t);
	worker.onEvent = (name) => {
		if (name === 'a') {
			worker.dispatcher.skipTo('epoch', at(3));
			worker.dispatcher.receive([entryOf(4, 'c')]);
		}
	};
	worker.dispatcher.receive([entryOf(11, 'a'), entryOf(12, 'b')]);
	assert.deepEqual(worker.heard, ['a@11-0', 'c@4-0']);
	assert.equal(worker.position.cursor, at(4));
});

test('what is merged during a delivery is put in its place', (t) => {
	const worker = new FakeWorker(t);
	worker.onEvent = (name) => name === 'a' && worker.dispatcher.merge([entryOf(12, 'b')]);
	worker.dispatcher.receive([entryOf(11, 'a'), entryOf(13, 'c')]);
	assert.deepEqual(worker.heard, ['a@11-0', 'b@12-0', 'c@13-0']);
});

test('nothing is handed over after the end', (t) => {
	const { dispatcher, heard } = new FakeWorker(t);
	dispatcher.hold(at(10));
	dispatcher.receive([entryOf(11, 'a')]);
	dispatcher.close();
	dispatcher.hold(undefined);
	dispatcher.receive([entryOf(12, 'b')]);
	assert.deepEqual(heard, []);
});
