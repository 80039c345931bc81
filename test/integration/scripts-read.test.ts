/** The scripts that read the log by its index or page by page, and the one that says how far it goes, in a real Redis. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Redis } from 'ioredis';
import { createScript } from '../../src/redis/script.ts';
import { formatRooms, type ParsedEntry, type StreamEntry } from '../../src/stream/entry.ts';
import { readHistory } from '../../src/stream/history.ts';
import { type Place, readByIndex, readLogPage, readMissedByIndex, readMissedByLog } from '../../src/stream/missed.ts';
import { STREAM_END, STREAM_START, type StreamOffset } from '../../src/stream/offset.ts';
import { indexOf } from '../../src/stream/route.ts';
import { TICK_SCRIPT } from '../../src/stream/tick-script.ts';
import { createRandom } from '../support/fuzz.ts';
import { LogStage, type Message, RETENTION_MS } from '../support/log-stage.ts';
import { startRedis } from '../support/redis-server.ts';

const server = await startRedis({ after });
const TICK = createScript(TICK_SCRIPT);
/** References that are read from one index at a time. */
const PAGE = 1000;

const placesOf = (...rooms: readonly (string | undefined)[]): Place[] => rooms.map((room) => ({ nsp: '/', room }));
const dataOf = (entries: readonly ParsedEntry[]): string[] =>
	entries.map((parsed) => (parsed.kind === 'entry' ? parsed.entry.data : parsed.reason));

/** Writes them in as many batches as it takes; gives their ids. */
async function publishAll(stage: LogStage, messages: readonly Message[], from = 1): Promise<StreamOffset[]> {
	const ids: StreamOffset[] = [];
	for (let at = 0; at < messages.length; at += 250) {
		ids.push(...(await stage.publish({ messages: messages.slice(at, at + 250), sequence: from + at })).ids);
	}
	return ids;
}

async function readData(stage: LogStage, places: readonly Place[], from = STREAM_START, to?: StreamOffset): Promise<string[]> {
	return dataOf((await readByIndex(stage.redis, stage.stream, { places, from, to })).entries);
}

test('what is for some places is found in order, each once, and nothing of others that share their index streams', async (t) => {
	const stage = await LogStage.open(t, server);
	const others = Array.from({ length: 5000 }, (_, i) => `room ${i}`);
	const shared = others.find((room) => indexOf(stage.stream, '/', room) === indexOf(stage.stream, '/', 'hall'));
	assert.ok(shared);
	await publishAll(stage, [
		{ data: 'all' },
		{ data: 'other namespace', nsp: '/chat' },
		{ data: 'hall', rooms: ['hall'] },
		{ data: 'shared', rooms: [shared] },
		{ data: 'hall and lobby', rooms: ['lobby', 'hall'] },
		{ data: 'hall of another namespace', nsp: '/chat', rooms: ['hall'] },
		{ data: 'number', rooms: [5] },
		{ data: 'shared and hall', rooms: [shared, 'hall'] },
	]);
	assert.deepEqual(await readData(stage, placesOf('hall')), ['hall', 'hall and lobby', 'shared and hall']);
	assert.deepEqual(await readData(stage, placesOf('lobby', 'hall', 'hall', 'nobody')), ['hall', 'hall and lobby', 'shared and hall']);
	assert.deepEqual(await readData(stage, placesOf(undefined, '5')), ['all', 'number']);
	assert.deepEqual(await readData(stage, [{ nsp: '/chat', room: undefined }]), ['other namespace']);
	assert.deepEqual(await readData(stage, placesOf('nobody')), []);
	assert.deepEqual(await readData(stage, []), []);
});

test('a read begins after one id and ends with another', async (t) => {
	const stage = await LogStage.open(t, server);
	const ids = await publishAll(
		stage,
		['a', 'b', 'c', 'd'].map((data) => ({ data, rooms: ['hall'] })),
	);
	assert.deepEqual(await readData(stage, placesOf('hall'), ids[0]), ['b', 'c', 'd']);
	assert.deepEqual(await readData(stage, placesOf('hall'), ids[0], ids[2]), ['b', 'c']);
	assert.deepEqual(await readData(stage, placesOf('hall'), ids[3]), []);
});

test('more than a page of references is read page by page, in order, however unlike the rooms are', async (t) => {
	const stage = await LogStage.open(t, server);
	const messages = Array.from({ length: 2 * PAGE + 300 }, (_, i) => ({ data: `${i}`, rooms: [i % 20 === 0 ? 'quiet' : 'busy'] }));
	const ids = await publishAll(stage, messages);
	const all = messages.map(({ data }) => data);
	assert.deepEqual(await readData(stage, placesOf('busy', 'quiet')), all);
	assert.deepEqual(await readData(stage, placesOf('busy', 'quiet'), ids[99], ids[1999]), all.slice(100, 2000));
	assert.deepEqual(
		await readData(stage, placesOf('quiet')),
		all.filter((_, i) => i % 20 === 0),
	);
});

test('of two rooms with more than a page each, one of them long before the other, all is read', async (t) => {
	const stage = await LogStage.open(t, server);
	const messages = ['early', 'late'].flatMap((room) =>
		Array.from({ length: PAGE + 100 }, (_, i) => ({ data: `${room} ${i}`, rooms: [room] })),
	);
	await publishAll(stage, messages);
	const all = messages.map(({ data }) => data);
	assert.deepEqual(await readData(stage, placesOf('early', 'late')), all);
	assert.deepEqual(await readData(stage, placesOf('late', 'early')), all);
});

test('exactly a page of references is read to its end', async (t) => {
	const stage = await LogStage.open(t, server);
	await publishAll(
		stage,
		Array.from({ length: PAGE }, (_, i) => ({ data: `${i}`, rooms: ['hall'] })),
	);
	assert.equal((await readData(stage, placesOf('hall'))).length, PAGE);
});

test('references to what is no longer on the log are passed over', async (t) => {
	const stage = await LogStage.open(t, server);
	const ids = await publishAll(
		stage,
		['a', 'b', 'c'].map((data) => ({ data, rooms: ['hall'] })),
	);
	await stage.redis.xdel(stage.stream, ids[1] ?? '');
	assert.deepEqual(await readData(stage, placesOf('hall')), ['a', 'c']);
});

test('the fence comes behind everything that is older than the end of the read, once, however many pages it has', async (t) => {
	const stage = await LogStage.open(t, server);
	const fence = { channel: `${stage.stream}:worker:w`, text: 'fence' };
	for (const count of [1, PAGE, 2 * PAGE + 1]) {
		await stage.redis.del(stage.stream, indexOf(stage.stream, '/', 'hall'), stage.publisherKey('p'));
		await publishAll(
			stage,
			Array.from({ length: count }, () => ({ data: 'x', rooms: ['hall'] })),
		);
		await stage.takePushed();
		// Written between the first page and the last.
		const connection = interrupt(stage.redis, 2, () =>
			stage.publish({ messages: [{ data: 'late', rooms: ['lobby'] }], publisher: `q${count}` }),
		);
		const { entries } = await readByIndex(connection, stage.stream, { places: placesOf('hall'), from: STREAM_START, to: undefined }, fence);
		assert.equal(entries.length, count);
		const pushed = (await stage.takePushed()).map(([channel]) => channel);
		assert.deepEqual(pushed, [...(count < PAGE ? [] : [':room:/\u001flobby']), ':worker:w']);
	}
});

test('the log is read page by page, each with a fence behind it', async (t) => {
	const stage = await LogStage.open(t, server);
	const fence = { channel: `${stage.stream}:worker:w`, text: 'fence' };
	assert.deepEqual(await readLogPage(stage.redis, stage.stream, STREAM_START, fence), { entries: [], last: STREAM_START, isFull: false });
	const ids = await publishAll(
		stage,
		Array.from({ length: PAGE + 1 }, (_, i) => ({ data: `${i}`, nsp: i % 2 ? '/' : '/chat' })),
	);
	await stage.takePushed();
	const first = await readLogPage(stage.redis, stage.stream, STREAM_START);
	assert.deepEqual([first.entries.length, first.last, first.isFull], [PAGE, ids[PAGE - 1], true]);
	assert.deepEqual(await stage.takePushed(), []);
	const last = await readLogPage(stage.redis, stage.stream, first.last, fence);
	assert.deepEqual([dataOf(last.entries), last.last, last.isFull], [[`${PAGE}`], ids[PAGE], false]);
	assert.deepEqual(await stage.takePushed(), [[':worker:w', 'fence']]);
});

test('what a client missed is the same by the index and from the log', async (t) => {
	const stage = await LogStage.open(t, server);
	const random = createRandom(13);
	const pick = (): string => `room ${Math.floor(random() * 30)}`;
	const messages = Array.from({ length: 1500 }, (_, i) => ({
		data: `${i}`,
		nsp: random() < 0.2 ? '/chat' : '/',
		rooms: Array.from({ length: Math.floor(random() * 4) }, pick),
	}));
	const ids = await publishAll(stage, messages);
	for (let round = 0; round < 20; round++) {
		const from = ids[Math.floor(random() * 700)] ?? STREAM_START;
		const to = ids[700 + Math.floor(random() * 799)] ?? STREAM_END;
		const places = placesOf(undefined, ...Array.from({ length: 1 + Math.floor(random() * 6) }, pick));
		const byIndex = await readMissedByIndex(stage.redis, stage.stream, { places, from, to, retentionMs: RETENTION_MS });
		const byLog = await readMissedByLog(stage.redis, stage.stream, { places, from, to });
		assert.ok(byIndex !== 'trimmed' && byLog !== 'trimmed');
		const ours = ({ nsp }: StreamEntry): boolean => nsp === '/';
		assert.deepEqual(byIndex, byLog.filter(ours));
		const rooms = new Set(places.map(({ room }) => room));
		const expected = messages
			.slice(ids.indexOf(from) + 1, ids.indexOf(to) + 1)
			.filter((message) => message.nsp === '/' && (message.rooms.length === 0 || message.rooms.some((room) => rooms.has(room))));
		assert.deepEqual(
			byIndex.map(({ data, rooms: told }) => [data, told && formatRooms(told)]),
			expected.map(({ data, rooms: told }) => [data, formatRooms(told)]),
		);
	}
});

test('what may be gone is not made up for: the log was trimmed behind the start, or the index is too old', async (t) => {
	const stage = await LogStage.open(t, server);
	const ids = await publishAll(
		stage,
		['a', 'b', 'c'].map((data) => ({ data, rooms: ['hall'] })),
	);
	const [first = STREAM_START, second = STREAM_START, last = STREAM_START] = ids;
	const read = async (from: StreamOffset, retentionMs = RETENTION_MS): Promise<unknown> => {
		const range = { places: placesOf('hall'), from, to: last };
		const byLog = await readMissedByLog(stage.redis, stage.stream, range);
		const byIndex = await readMissedByIndex(stage.redis, stage.stream, { ...range, retentionMs });
		return [byIndex, byLog].map((found) => (found === 'trimmed' ? found : found.map(({ data }) => data)));
	};
	assert.deepEqual(await read(first), [
		['b', 'c'],
		['b', 'c'],
	]);
	await stage.redis.xtrim(stage.stream, 'MINID', second);
	assert.deepEqual(await read(first), ['trimmed', 'trimmed']);
	assert.deepEqual(await read(second), [['c'], ['c']]);
	assert.deepEqual(await read(second, -1), ['trimmed', ['c']]);
});

test('a log that goes on after a cursor, one that was trimmed behind it, and one that was set back are told apart', async (t) => {
	const stage = await LogStage.open(t, server);
	const [first = STREAM_START, second = STREAM_START, last = STREAM_START] = await publishAll(
		stage,
		['a', 'b', 'c'].map((data) => ({ data })),
	);
	const read = (cursor: StreamOffset): Promise<unknown> => readHistory(stage.redis, stage.stream, cursor);
	assert.deepEqual(await read(STREAM_START), { kind: 'continues' });
	assert.deepEqual(await read(first), { kind: 'continues' });
	assert.deepEqual(await read(STREAM_END), { kind: 'rewound', cursor: last });
	await stage.redis.xdel(stage.stream, second);
	assert.deepEqual(await read(second), { kind: 'rewound', cursor: last }, 'its history is another one');
	await stage.redis.xtrim(stage.stream, 'MINID', last);
	assert.deepEqual(await read(first), { kind: 'trimmed', cursor: last });
	assert.deepEqual(await read(last), { kind: 'continues' });
	await stage.redis.del(stage.stream);
	assert.deepEqual(await read(last), { kind: 'rewound', cursor: STREAM_START });
});

interface TickOptions {
	readonly cursor?: StreamOffset;
	readonly epoch?: string;
	readonly youngMs?: number;
	readonly idleMs?: number;
}

async function tick(stage: LogStage, { cursor = STREAM_START, epoch = '', youngMs = 0, idleMs = 0 }: TickOptions = {}): Promise<string[]> {
	const args = [cursor, epoch, youngMs, idleMs, RETENTION_MS, `${stage.stream}:tick`, 'PUBLISH'];
	const answer = await TICK.run(stage.redis, [stage.stream, stage.epochKey, stage.bounds], args);
	const ticks = (await stage.takePushed()).filter(([channel]) => channel === ':tick').map(([, text]) => text);
	assert.equal(answer, ticks.length);
	return ticks;
}

test('a tick tells how far the log goes, and in which epoch, and notes where it begins', async (t) => {
	const stage = await LogStage.open(t, server);
	const [text = ''] = await tick(stage);
	const [last, epoch = ''] = text.split(' ');
	assert.deepEqual([last, epoch], ['0-0', await stage.redis.get(stage.epochKey)]);
	const published = await stage.publish({ messages: [{ data: 'a' }, { data: 'b' }] });
	assert.equal(published.epoch, epoch);
	const [next = ''] = await tick(stage);
	assert.deepEqual(next.split(' ').slice(0, 2), [published.ids[1], epoch]);
	const { at, last: noted, first, retention } = await stage.redis.hgetall(stage.bounds);
	assert.deepEqual([noted, first, retention], [published.ids[1], published.ids[0], `${RETENTION_MS}`]);
	assert.ok(Math.abs(Number(at) - Date.now()) < 60_000);
	assert.ok((await stage.redis.pttl(stage.bounds)) > 0);
});

test('one tick in time is enough: less of them while the log does not move', async (t) => {
	const stage = await LogStage.open(t, server);
	await stage.publish({ messages: [{ data: 'a' }] });
	assert.equal((await tick(stage, { youngMs: 60_000, idleMs: 60_000 })).length, 1);
	assert.equal((await tick(stage, { youngMs: 0, idleMs: 60_000 })).length, 0);
	await stage.publish({ messages: [{ data: 'b' }], sequence: 2 });
	assert.equal((await tick(stage, { youngMs: 60_000, idleMs: 60_000 })).length, 0, 'it moved, and the last tick is young');
	assert.equal((await tick(stage, { youngMs: 0, idleMs: 60_000 })).length, 1);
	assert.equal((await tick(stage)).length, 1, 'somebody waits for it');
	await stage.redis.hset(stage.bounds, 'at', Date.now() + 3_600_000);
	assert.equal((await tick(stage, { youngMs: 60_000, idleMs: 60_000 })).length, 1, 'a clock was set back');
});

test('a caller that is ahead of the log has found that it was set back, unless it has only not heard of that', async (t) => {
	const stage = await LogStage.open(t, server);
	await stage.redis.xadd(stage.stream, '10-10', 'uid', 'u');
	const epochOf = async (options: TickOptions): Promise<string> => (await tick(stage, options))[0]?.split(' ')[1] ?? '';
	const first = await epochOf({});
	for (const cursor of ['9-0', '10-9', '10-10'] as StreamOffset[]) {
		assert.equal(await epochOf({ cursor, epoch: first }), first, cursor);
	}
	const second = await epochOf({ cursor: '10-11' as StreamOffset, epoch: first });
	assert.notEqual(second, first);
	assert.equal(await epochOf({ cursor: '10-11' as StreamOffset, epoch: first }), second);
	const third = await epochOf({ cursor: '11-0' as StreamOffset, epoch: second });
	assert.notEqual(third, second);
	assert.notEqual(await epochOf({ cursor: '100-0' as StreamOffset }), third);
});

/** The connection, but that `happen` takes place before the command with that number. */
function interrupt(redis: Redis, number: number, happen: () => Promise<unknown>): Redis {
	let count = 0;
	const evalsha = async (...args: Parameters<Redis['evalsha']>): Promise<unknown> => {
		if (++count === number) {
			await happen();
		}
		return redis.evalsha(...args);
	};
	return Object.assign(Object.create(redis), { evalsha }) as Redis;
}
