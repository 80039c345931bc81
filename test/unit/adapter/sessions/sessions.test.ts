import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeSafely, toPlainData } from '../../../../src/adapter/plain-data.ts';
import { Position } from '../../../../src/adapter/position.ts';
import { Semaphore } from '../../../../src/adapter/recovery/semaphore.ts';
import { LiveSession, type SessionSocket } from '../../../../src/adapter/sessions/live-session.ts';
import { decodeRecord } from '../../../../src/adapter/sessions/record.ts';
import { RoomActivity } from '../../../../src/adapter/sessions/room-activity.ts';
import { Sessions } from '../../../../src/adapter/sessions/sessions.ts';
import type { SessionStore, SessionWrite } from '../../../../src/adapter/sessions/store.ts';
import { createSilentLogger } from '../../../../src/base/log.ts';
import { loadConfig } from '../../../../src/config/load.ts';
import { createMetrics } from '../../../../src/metrics/registry.ts';
import type { StreamOffset } from '../../../../src/stream/offset.ts';

const at = (ms: number): StreamOffset => `${ms}-0` as StreamOffset;
const socketOf = (id: string, data: unknown = {}): SessionSocket => ({ id, data, conn: {} as SessionSocket['conn'] });
const nobody = (): void => undefined;

test('a record keeps rooms with their times, data with binary, and what may have been on its way', () => {
	const activity = new RoomActivity();
	const session = new LiveSession('/n', 'pid', socketOf('sid', { at: new Date(5), bytes: Buffer.from([1]), name: 'x' }), activity);
	session.join(['sid', 'a', 'b'], at(3));
	session.join(['a'], at(4));
	session.leave('b', at(6));
	session.leave('never', at(6));
	activity.note('a', at(5));
	const record = decodeRecord(session.encode(at(9), at(8), nobody));
	assert.deepEqual(record, {
		nsp: '/n',
		sid: 'sid',
		pid: 'pid',
		stays: [
			{ room: 'b', from: at(3), to: at(6) },
			{ room: 'sid', from: at(3), to: undefined },
			{ room: 'a', from: at(3), to: undefined },
		],
		data: { at: new Date(5), bytes: Buffer.from([1]), name: 'x' },
		at: at(9),
		sentUpTo: at(6),
		outsideAt: at(8),
	});
});

test('records that are not ours are no records', () => {
	for (const text of [
		'',
		'x',
		'%%%',
		Buffer.from([0xc0]).toString('base64'),
		encodeSafely([1, 2, 3], nobody),
		encodeSafely(['/', 's', 'p', [[{}]], '1-1', '1-1'], nobody),
	]) {
		assert.equal(decodeRecord(text), undefined);
	}
});

test('data that can not travel costs its keys and nothing else', () => {
	const cycle: Record<string, unknown> = { kept: [1, 'x', null, { deep: new Date(1) }], bytes: new Uint8Array([1]) };
	cycle.self = cycle;
	cycle.timer = setTimeout(nobody, 1).unref();
	cycle.call = nobody;
	cycle.big = 1n;
	cycle.list = [nobody, 2];
	const dropped: string[] = [];
	assert.deepEqual(
		toPlainData(cycle, (key) => dropped.push(key)),
		{
			kept: [1, 'x', null, { deep: new Date(1) }],
			bytes: new Uint8Array([1]),
			list: [null, 2],
		},
	);
	assert.deepEqual(dropped.toSorted(), ['big', 'call', 'list', 'self', 'timer']);
	assert.doesNotThrow(() => encodeSafely(cycle, nobody));
	let deep: unknown = 'bottom';
	for (let i = 0; i < 10_000; i++) {
		deep = { deep };
	}
	assert.doesNotThrow(() => encodeSafely(deep, nobody));
	assert.deepEqual(toPlainData(JSON.parse('{"__proto__":{"polluted":1}}'), nobody), {});
});

test('a semaphore lets its number in, in order, and goes on past failures', async () => {
	const semaphore = new Semaphore(2);
	let running = 0;
	let most = 0;
	const order: number[] = [];
	await Promise.allSettled(
		Array.from({ length: 6 }, (_, i) =>
			semaphore.run(async () => {
				running++;
				most = Math.max(most, running);
				order.push(i);
				await Promise.resolve();
				running--;
				if (i === 1) {
					throw new Error('fails');
				}
			}),
		),
	);
	assert.equal(most, 2);
	assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
});

interface FakeStore extends SessionStore {
	readonly written: SessionWrite[];
	fail: boolean;
	owned: boolean;
}

function fakeStore(): FakeStore {
	const store: FakeStore = {
		written: [],
		fail: false,
		owned: true,
		write(writes, epoch) {
			if (store.fail) {
				return Promise.reject(new Error('away'));
			}
			store.written.push(...writes);
			return Promise.resolve({ epoch, results: writes.map(() => (store.owned ? 'ok' : 'not-owner')) });
		},
		claim: () => Promise.resolve({ kind: 'none' }),
		readEpoch: () => Promise.resolve('e'),
		endEpoch: () => Promise.resolve('f'),
	};
	return store;
}

function positionAt(ms: number): Position {
	const position = new Position();
	position.moveTo(at(ms));
	return position;
}

function createSessions(store: SessionStore, onLost = nobody, position = positionAt(7)): Sessions {
	const { config } = loadConfig({ env: {}, flags: {}, cwd: '/nonexistent' });
	return new Sessions({ store, config, metrics: createMetrics(), log: createSilentLogger(), position, onLost, onEpoch: nobody });
}

function open(sessions: Sessions, sid: string, rooms: readonly string[] = []): LiveSession {
	sessions.open('/', `pid-${sid}`, socketOf(sid));
	const session = sessions.find('/', sid);
	assert.ok(session);
	void sessions.join(session, [sid, ...rooms]);
	return session;
}

/** The client was sent its first offset. */
function openSent(sessions: Sessions, sid: string): LiveSession {
	const session = open(sessions, sid);
	sessions.noteSent('/', new Set([sid]));
	return session;
}

test('a stay begins behind all that its worker has heard of, or at the entry that made the client join, and ends at the cursor', async (t) => {
	const store = fakeStore();
	const position = positionAt(7);
	const sessions = createSessions(store, nobody, position);
	t.after(() => sessions.close());
	position.hear(at(9));
	const session = openSent(sessions, 'sid');
	position.dispatch(() => void sessions.join(session, ['moved']));
	void sessions.join(session, ['left']);
	void sessions.leave(session, 'left');
	await sessions.flush();
	const last = store.written.at(-1);
	assert.ok(last?.kind === 'save');
	const record = decodeRecord(last.record);
	assert.equal(record?.at, at(7));
	assert.deepEqual(record?.stays, [
		{ room: 'left', from: at(9), to: at(7) },
		{ room: 'sid', from: at(9), to: undefined },
		{ room: 'moved', from: at(7), to: undefined },
	]);
});

test('a join of a saved session holds delivery until it is saved too; a failing Redis holds it no longer', async (t) => {
	const store = fakeStore();
	const sessions = createSessions(store);
	t.after(() => sessions.close());
	const session = openSent(sessions, 'sid');
	void sessions.join(session, ['a']);
	assert.equal(sessions.barrier(), undefined, 'nobody can come back to what was never saved');
	await sessions.flush();
	const joined = sessions.join(session, ['b']);
	assert.ok(sessions.barrier());
	await joined;
	assert.equal(sessions.barrier(), undefined);
	const last = store.written.at(-1);
	assert.ok(last?.kind === 'save');
	assert.deepEqual(
		decodeRecord(last.record)?.stays.map(({ room }) => room),
		['sid', 'a', 'b'],
	);

	store.fail = true;
	await sessions.join(session, ['c']);
	assert.equal(sessions.barrier(), undefined);
	store.fail = false;
	await sessions.flush();
	const again = store.written.at(-1);
	assert.ok(again?.kind === 'save');
	assert.ok(
		decodeRecord(again.record)?.stays.some(({ room }) => room === 'c'),
		'what could not be saved is saved later',
	);
});

test('who leaves for good is removed, who may come back is released, and a session that another worker took is given up', async () => {
	const store = fakeStore();
	const lost: string[] = [];
	const sessions = createSessions(store, () => lost.push('lost'));
	const [a, b, c] = [openSent(sessions, 'a'), openSent(sessions, 'b'), openSent(sessions, 'c')];
	await sessions.flush();
	sessions.release(a);
	sessions.remove(b);
	sessions.remove(b);
	await sessions.close();
	assert.deepEqual(
		store.written.slice(3).map(({ kind, pid }) => [kind, pid]),
		[
			['release', 'pid-a'],
			['remove', 'pid-b'],
		],
	);
	assert.equal(sessions.find('/', 'a'), undefined);
	store.owned = false;
	void sessions.join(c, ['x']);
	await sessions.flush();
	assert.deepEqual(lost, ['lost']);
	assert.equal(sessions.findByPid('pid-c'), undefined);
});

test('sessions abandoned while a write is under way leave nothing behind that later joins would wait for', async (t) => {
	const store = fakeStore();
	const answers: (() => void)[] = [];
	const { write } = store;
	store.write = async (writes, epoch) => {
		await new Promise<void>((resolve) => answers.push(resolve));
		return write(writes, epoch);
	};
	const answerAll = async (flushed: Promise<void>): Promise<void> => {
		while (!(await Promise.race([flushed.then(() => true), new Promise((resolve) => setImmediate(resolve, false))]))) {
			answers.shift()?.();
		}
	};
	const sessions = createSessions(store);
	t.after(() => sessions.close());
	const session = openSent(sessions, 'sid');
	await answerAll(sessions.flush());
	void sessions.join(session, ['a']);
	const flushed = sessions.flush();
	assert.ok(sessions.barrier());
	sessions.abandonAll();
	assert.equal(sessions.barrier(), undefined);
	await answerAll(flushed);
	assert.equal(sessions.barrier(), undefined, 'the answer to a write of an abandoned session settles nothing');

	const next = openSent(sessions, 'sid-2');
	await answerAll(sessions.flush());
	void sessions.join(next, ['a']);
	assert.ok(sessions.barrier(), 'a join is waited for again');
	await answerAll(sessions.flush());
	assert.equal(sessions.barrier(), undefined);
});

const pidsOf = (writes: readonly SessionWrite[]): string[] => writes.map(({ pid }) => pid).toSorted();

test('nothing is written of a client that was sent nothing: not when it joins, changes its data, goes, or goes for good', async (t) => {
	const store = fakeStore();
	const sessions = createSessions(store);
	t.after(() => sessions.close());
	const [a, b] = [open(sessions, 'a', ['hall']), open(sessions, 'b')];
	void sessions.leave(a, 'hall');
	sessions.noteOutside('/', true);
	await sessions.flush();
	sessions.release(a);
	sessions.remove(b);
	await sessions.flush();
	assert.deepEqual(store.written, []);
});

test('a message makes those sessions saved that it is the first one for: by their own room, a room that they are in, or the namespace', async (t) => {
	const store = fakeStore();
	const sessions = createSessions(store);
	t.after(() => sessions.close());
	const saved = async (rooms: readonly string[], nsp = '/'): Promise<string[]> => {
		store.written.length = 0;
		sessions.noteSent(nsp, new Set(rooms));
		await sessions.flush();
		return pidsOf(store.written);
	};
	open(sessions, 'a', ['hall']);
	const b = open(sessions, 'b', ['hall', 'lobby']);
	open(sessions, 'c');
	const d = open(sessions, 'd', ['hall']);
	open(sessions, 'e', ['hall']);
	void sessions.leave(d, 'hall');
	sessions.remove(b);
	assert.deepEqual(await saved([], '/other'), []);
	assert.deepEqual(await saved(['nobody', 'lobby']), []);
	assert.deepEqual(await saved(['c']), ['pid-c']);
	assert.deepEqual(await saved(['hall', 'a']), ['pid-a', 'pid-e']);
	assert.deepEqual(await saved([]), ['pid-d']);
	assert.deepEqual(await saved([]), [], 'who is saved is not saved again');
});

test('a client that goes before its first save is released all the same; one that goes for good leaves nothing to remove', async (t) => {
	const store = fakeStore();
	const sessions = createSessions(store);
	t.after(() => sessions.close());
	const [a, b] = [openSent(sessions, 'a'), openSent(sessions, 'b')];
	sessions.release(a);
	sessions.remove(b);
	await sessions.flush();
	assert.deepEqual(
		store.written.map(({ kind, pid }) => [kind, pid]),
		[['release', 'pid-a']],
	);
});

test('a join beside the first message is in the first record; one while that is under way holds delivery', async (t) => {
	const store = fakeStore();
	const sessions = createSessions(store);
	t.after(() => sessions.close());
	const roomsOf = (write: SessionWrite | undefined): string[] | undefined =>
		write?.kind === 'save' ? decodeRecord(write.record)?.stays.map(({ room }) => room) : undefined;
	const session = openSent(sessions, 'sid');
	void sessions.join(session, ['beside']);
	assert.equal(sessions.barrier(), undefined);
	const answer = Promise.withResolvers<void>();
	const { write } = store;
	store.write = async (...args) => {
		await answer.promise;
		return write(...args);
	};
	const flushed = sessions.flush();
	await new Promise(setImmediate);
	void sessions.join(session, ['later']);
	assert.ok(sessions.barrier());
	answer.resolve();
	await flushed;
	assert.equal(sessions.barrier(), undefined);
	assert.deepEqual(store.written.map(roomsOf), [
		['sid', 'beside'],
		['sid', 'beside', 'later'],
	]);
});

test('the first message of many: their saves are paced, and what others wait for goes between', async (t) => {
	t.mock.timers.enable({ apis: ['setTimeout'] });
	const store = fakeStore();
	const batches: SessionWrite[][] = [];
	const { write } = store;
	store.write = (writes, epoch) => {
		batches.push([...writes]);
		return write(writes, epoch);
	};
	const sessions = createSessions(store);
	t.after(() => sessions.close());
	const known = openSent(sessions, 'known');
	const leaving = openSent(sessions, 'leaving');
	await sessions.flush();
	const count = 900;
	for (let i = 0; i < count; i++) {
		open(sessions, `n${i}`);
	}
	sessions.noteSent('/', new Set());
	await sessions.flush();
	await sessions.flush();
	assert.deepEqual(
		batches.map(({ length }) => length),
		[2, 200],
	);
	void sessions.join(known, ['a']);
	sessions.release(leaving);
	await sessions.flush();
	assert.deepEqual(pidsOf(batches[2] ?? []), ['pid-known', 'pid-leaving']);
	assert.equal(sessions.barrier(), undefined);
	batches.length = 0;
	for (let pause = 0; pause < 4; pause++) {
		void sessions.join(known, [`room ${pause}`]);
		t.mock.timers.tick(60_000);
		await sessions.flush();
		assert.equal(batches[pause]?.[0]?.pid, 'pid-known');
	}
	assert.deepEqual(
		batches.map(({ length }) => length),
		[200, 200, 200, 104],
	);
	assert.equal(new Set(store.written.map(({ pid }) => pid)).size, count + 2);
});

test('a join that delivery waits for is saved before what changed without anyone waiting', async (t) => {
	const store = fakeStore();
	const sessions = createSessions(store);
	t.after(() => sessions.close());
	const opened: LiveSession[] = [];
	for (let i = 0; i < 300; i++) {
		opened.push(openSent(sessions, `n${i}`));
		if (i % 100 === 99) {
			await sessions.flush();
		}
	}
	sessions.noteOutside('/', true);
	store.written.length = 0;
	const last = opened.at(-1);
	assert.ok(last);
	void sessions.join(last, ['a']);
	await sessions.flush();
	assert.equal(store.written[0]?.pid, 'pid-n299');
	assert.equal(sessions.barrier(), undefined);
});
