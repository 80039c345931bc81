import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Absence } from '../../../../src/adapter/recovery/absence.ts';
import type { SessionRecord } from '../../../../src/adapter/sessions/record.ts';
import type { StreamEntry } from '../../../../src/stream/entry.ts';
import { DISCONNECT_SOCKETS, SOCKETS_JOIN } from '../../../../src/stream/protocol.ts';
import { at, FakeWorker } from '../fake-worker.ts';
import { FakeDelivery, missedEntry } from './fake-delivery.ts';

const MAX_ROUNDS = 16;
const RECORD: SessionRecord = {
	nsp: '/',
	sid: 'sid',
	pid: 'pid',
	stays: ['sid', 'hall'].map((room) => ({ room, from: at(1), to: undefined })),
	data: {},
	at: at(5),
	sentUpTo: at(0),
	outsideAt: undefined,
};
const nextTurn = (): Promise<void> => new Promise(setImmediate);
const joinOf = (ms: number, to: string, moved: string): StreamEntry => missedEntry(ms, to, { type: SOCKETS_JOIN, moved });

/** A worker at entry 10, to which a client of two rooms comes back that has everything up to 5. */
class World {
	readonly worker: FakeWorker;
	readonly delivery = new FakeDelivery();
	readonly absence: Absence;
	/** Whether this worker comes to an offset. */
	comesTo = true;

	constructor(t: TestContext, { start = 5, maxBytes = 1e6 } = {}) {
		this.worker = new FakeWorker(t);
		const { position, namespaces } = this.worker;
		const deps = { delivery: this.delivery.asDelivery, namespaces, position, maxBytes, comesTo: () => Promise.resolve(this.comesTo) };
		this.absence = new Absence(deps, RECORD, at(start));
	}

	get missed(): unknown[] {
		return this.absence.replay.missed.map(({ data }) => data[0]);
	}

	/** It is written, and comes to this worker. */
	dispatch(...entries: readonly StreamEntry[]): void {
		this.delivery.log.push(...entries);
		this.worker.dispatcher.receive(entries.map((entry) => ({ kind: 'entry', entry })));
	}
}

test('what was missed is read once, for the rooms of the session, up to what this worker has heard of', async (t) => {
	const world = new World(t);
	const { delivery, absence, worker } = world;
	delivery.log.push(missedEntry(5, 'hall', 'seen'), missedEntry(6, 'hall', 'a'), missedEntry(7, 'other', 'x'), missedEntry(9, 'sid', 'b'));
	worker.position.hear(at(12));
	assert.equal(await absence.read(), undefined);
	assert.deepEqual(world.missed, ['a', 'b']);
	assert.deepEqual(delivery.reads, [{ rooms: ['sid', 'hall'], from: at(5), to: at(12) }]);
	assert.deepEqual(Object.fromEntries(delivery.held), { sid: 1, hall: 1 }, 'it counts as a member');
});

test('a client that has everything that this worker has heard of costs no read', async (t) => {
	const world = new World(t, { start: 10 });
	assert.equal(await world.absence.read(), undefined);
	assert.deepEqual([world.missed, world.delivery.reads], [[], []]);
	world.dispatch(missedEntry(11, 'hall', 'a'));
	assert.deepEqual(world.missed, ['a']);
});

test('it is read only when messages for its rooms come', async (t) => {
	const world = new World(t);
	const live = Promise.withResolvers<void>();
	world.delivery.onJoin = () => live.promise;
	const read = world.absence.read();
	await nextTurn();
	assert.deepEqual(world.delivery.reads, []);
	world.worker.position.hear(at(14));
	live.resolve();
	assert.equal(await read, undefined);
	assert.deepEqual(
		world.delivery.reads.map(({ to }) => to),
		[at(14)],
	);
});

test('rooms that it was moved to while away are read, too, until none is new', async (t) => {
	const world = new World(t);
	world.delivery.log.push(
		missedEntry(6, 'second', 'too early'),
		joinOf(7, 'hall', 'second'),
		missedEntry(8, 'second', 'a'),
		joinOf(9, 'second', 'third'),
		missedEntry(10, 'third', 'b'),
	);
	assert.equal(await world.absence.read(), undefined);
	assert.deepEqual(world.missed, ['a', 'b']);
	assert.deepEqual(
		world.delivery.reads.map(({ rooms }) => rooms.length),
		[2, 3, 4],
	);
	assert.deepEqual(
		[...world.delivery.held],
		['sid', 'hall', 'second', 'third'].map((room) => [room, 1]),
	);
});

test('rooms that lead to ever more rooms are too much', async (t) => {
	const world = new World(t);
	world.worker.position.hear(at(100));
	world.delivery.log.push(joinOf(20, 'hall', 'room 1'));
	for (let i = 1; i <= MAX_ROUNDS; i++) {
		world.delivery.log.push(joinOf(20 + i, `room ${i}`, `room ${i + 1}`));
	}
	assert.equal(await world.absence.read(), 'too_much');
	assert.equal(world.delivery.reads.length, MAX_ROUNDS);
	world.absence.end();
	assert.deepEqual([...world.delivery.held], []);
});

test('the last round may find the last room', async (t) => {
	const world = new World(t);
	world.worker.position.hear(at(100));
	world.delivery.log.push(joinOf(20, 'hall', 'room 1'));
	for (let i = 1; i < MAX_ROUNDS - 1; i++) {
		world.delivery.log.push(joinOf(20 + i, `room ${i}`, `room ${i + 1}`));
	}
	world.delivery.log.push(missedEntry(50, `room ${MAX_ROUNDS - 1}`, 'a'));
	assert.equal(await world.absence.read(), undefined);
	assert.deepEqual([world.missed, world.delivery.reads.length], [['a'], MAX_ROUNDS]);
});

test('what comes while it is read goes behind what was read, once', async (t) => {
	const world = new World(t);
	world.delivery.log.push(missedEntry(6, 'hall', 'a'));
	world.worker.position.hear(at(11));
	world.delivery.onRead = () => {
		world.dispatch(missedEntry(11, 'hall', 'b'), missedEntry(12, 'hall', 'c'), missedEntry(13, 'other', 'x'));
		return Promise.resolve(undefined);
	};
	world.delivery.log.push(missedEntry(11, 'hall', 'b'));
	assert.equal(await world.absence.read(), undefined);
	assert.deepEqual(world.missed, ['a', 'b', 'c']);
});

test('a join that comes while it is read is read from there on', async (t) => {
	const world = new World(t);
	world.delivery.onRead = (round) => {
		if (round === 1) {
			world.delivery.log.push(missedEntry(11, 'new', 'too early'));
			world.dispatch(joinOf(12, 'sid', 'new'));
			// Nobody here is in it yet, so that this one is on the log and not pushed.
			world.delivery.log.push(missedEntry(13, 'new', 'a'));
			world.worker.position.hear(at(13));
		}
		return Promise.resolve(undefined);
	};
	assert.equal(await world.absence.read(), undefined);
	assert.deepEqual(world.missed, ['a']);
	assert.equal(world.delivery.held.get('new'), 1);
});

test('what comes while middlewares run is added; a join takes effect at once, and a kick', async (t) => {
	const world = new World(t);
	await world.absence.read();
	world.dispatch(missedEntry(11, 'hall', 'a'), missedEntry(12, 'new', 'too early'), joinOf(13, 'sid', 'new'));
	assert.equal(world.delivery.held.get('new'), 1);
	world.dispatch(missedEntry(14, 'new', 'b'), joinOf(15, 'hall', 'new'));
	assert.deepEqual(world.missed, ['a', 'b']);
	assert.equal(world.delivery.held.get('new'), 1);
	assert.equal(world.absence.replay.state, 'ok');
	world.dispatch(missedEntry(16, 'hall', { type: DISCONNECT_SOCKETS }));
	assert.equal(world.absence.replay.state, 'kicked');
});

test('more than may be sent at once is too much, read or added later', async (t) => {
	const size = missedEntry(6, 'hall', 'a').data.length;
	const world = new World(t, { maxBytes: 2 * size });
	world.delivery.log.push(missedEntry(6, 'hall', 'a'));
	await world.absence.read();
	world.dispatch(missedEntry(11, 'hall', 'b'));
	assert.equal(world.absence.replay.state, 'ok');
	world.dispatch(missedEntry(12, 'hall', 'c'));
	assert.equal(world.absence.replay.state, 'too_much');
});

test('when the end has come, rooms are given up and nothing is added', async (t) => {
	const world = new World(t);
	await world.absence.read();
	world.absence.end();
	world.absence.end();
	assert.deepEqual([...world.delivery.held], []);
	world.dispatch(missedEntry(11, 'hall', 'a'), joinOf(12, 'sid', 'new'));
	assert.deepEqual([world.missed, [...world.delivery.held]], [[], []]);
});

test('an end while it is read leaves nothing behind', async (t) => {
	const world = new World(t);
	world.delivery.log.push(joinOf(6, 'hall', 'second'));
	world.delivery.onRead = () => {
		world.absence.end();
		return Promise.resolve(undefined);
	};
	await world.absence.read();
	assert.deepEqual([...world.delivery.held], []);
	assert.equal(world.delivery.reads.length, 1, 'nobody waits for the second room');
});

test('what is gone from the log, a worker that does not come so far, and a Redis that fails are told apart', async (t) => {
	const trimmed = new World(t);
	trimmed.delivery.onRead = () => Promise.resolve('trimmed');
	assert.equal(await trimmed.absence.read(), 'trimmed');
	const behind = new World(t);
	behind.comesTo = false;
	assert.equal(await behind.absence.read(), 'behind');
	const away = new World(t);
	away.delivery.onRead = () => Promise.reject(new Error('Connection is closed.'));
	await assert.rejects(away.absence.read(), /Connection is closed/);
});
