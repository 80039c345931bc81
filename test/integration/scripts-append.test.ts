/** The script that appends entries from outside the fleet, in a real Redis. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { RedisConnection } from '../../src/redis/client.ts';
import { createScript } from '../../src/redis/script.ts';
import { buildAppend, type EmitterEntry, type Group, type Receipt, settleAll } from '../../src/stream/append.ts';
import { APPEND_SCRIPT } from '../../src/stream/append-script.ts';
import { parsePush } from '../../src/stream/entry.ts';
import { indexOf } from '../../src/stream/route.ts';
import { LogStage } from '../support/log-stage.ts';
import { startRedis } from '../support/redis-server.ts';

const server = await startRedis({ after });
const SCRIPT = createScript(APPEND_SCRIPT);
const WINDOW_MS = 60_000;

const entry = (data: string, rooms: readonly string[] = [], more: Partial<EmitterEntry> = {}): EmitterEntry => ({
	nsp: '/',
	type: '3',
	data,
	rooms,
	...more,
});

interface AppendOptions {
	/** Plain servers read the log: nothing is routed. */
	readonly isPlain?: boolean;
	readonly connection?: RedisConnection;
}

/** What becomes of each group: its receipts, or the code of its error. */
async function append(
	stage: LogStage,
	groups: readonly (readonly EmitterEntry[])[],
	options: AppendOptions = {},
): Promise<(readonly Receipt[] | string)[]> {
	const outcomes: (readonly Receipt[] | string)[] = [];
	const waiting = groups.map(
		(entries, index): Group => ({
			entries,
			chars: 0,
			expiresAt: 0,
			settled: false,
			resolve: (receipts) => {
				outcomes[index] = receipts;
			},
			reject: ({ code }) => {
				outcomes[index] = code;
			},
		}),
	);
	const { isPlain = false, connection = stage.redis } = options;
	const { keys, args } = buildAppend(waiting, stage.stream, isPlain ? undefined : { bounds: stage.bounds, epoch: stage.epochKey });
	settleAll(waiting, await SCRIPT.run(connection, keys, [1_000_000, WINDOW_MS, isPlain ? '' : 'PUBLISH', ...args]));
	return outcomes;
}

const idsOf = (outcome: readonly Receipt[] | string | undefined): string[] =>
	typeof outcome === 'object' ? outcome.map(({ id }) => id) : [];
const channelsOf = async (stage: LogStage): Promise<string[]> => (await stage.takePushed()).map(([channel]) => channel);

test('entries of all groups are on the log, in the index and pushed, in their order', async (t) => {
	const stage = await LogStage.open(t, server);
	const [first, second] = await append(stage, [
		[entry('a', ['hall', 'lobby']), entry('b')],
		[entry('c', ['hall'], { nsp: '/chat', type: '4' })],
	]);
	const [a, b] = idsOf(first);
	const [c] = idsOf(second);
	assert.deepEqual(await stage.redis.xrange(stage.stream, '-', '+'), [
		[a, ['uid', 'emitter', 'nsp', '/', 'type', '3', 'data', 'a', 'to', 'hall\u001flobby']],
		[b, ['uid', 'emitter', 'nsp', '/', 'type', '3', 'data', 'b']],
		[c, ['uid', 'emitter', 'nsp', '/chat', 'type', '4', 'data', 'c', 'to', 'hall']],
	]);
	assert.deepEqual(await stage.index(indexOf(stage.stream, '/', 'hall')), [`${a} / hall`]);
	assert.deepEqual(await stage.index(indexOf(stage.stream, '/', 'lobby')), [`${a} / lobby`]);
	assert.deepEqual(await stage.index(indexOf(stage.stream, '/')), [`${b} / `]);
	assert.deepEqual(await stage.index(indexOf(stage.stream, '/chat', 'hall')), [`${c} /chat hall`]);
	const pushed = await stage.takePushed();
	assert.deepEqual(
		pushed.map(([channel]) => channel),
		[':room:/\u001fhall', ':room:/\u001flobby', ':namespace:/', ':room:/chat\u001fhall'],
	);
	assert.deepEqual(parsePush(pushed[3]?.[1] ?? ''), {
		kind: 'entry',
		entry: { id: c, uid: 'emitter', nsp: '/chat', type: 4, data: 'c', mark: undefined, rooms: undefined },
	});
});

test('a key writes its entry once, and pushes it once', async (t) => {
	const stage = await LogStage.open(t, server);
	const keyed = (data: string, onceKey: string): EmitterEntry => entry(data, ['hall', 'lobby'], { onceKey });
	const [first] = await append(stage, [[keyed('a', 'k1'), entry('b'), keyed('c', 'k2')]]);
	const [a = '', b = '', c = ''] = idsOf(first);
	assert.equal((await channelsOf(stage)).length, 5);
	const [again] = await append(stage, [[keyed('a', 'k1'), entry('d'), keyed('c', 'k2')]]);
	const [, d] = idsOf(again);
	assert.deepEqual(again, [{ id: a, duplicate: true }, { id: d }, { id: c, duplicate: true }]);
	assert.ok(d !== b);
	assert.deepEqual(await channelsOf(stage), [':namespace:/']);
	assert.deepEqual(await stage.log(), ['a', 'b', 'c', 'd']);
	assert.deepEqual(await stage.index(indexOf(stage.stream, '/', 'hall')), [`${a} / hall`, `${c} / hall`]);
});

test('a group with a key that has other content is refused whole; those beside it are written', async (t) => {
	const stage = await LogStage.open(t, server);
	const keyed = (data: string, onceKey: string): EmitterEntry => entry(data, ['hall'], { onceKey });
	await append(stage, [[keyed('a', 'k')]]);
	await stage.takePushed();
	const outcomes = await append(stage, [[entry('b')], [keyed('new', 'l'), keyed('other', 'k'), entry('never')], [keyed('c', 'l')]]);
	assert.equal(outcomes[1], 'ERR_CONFLICT');
	assert.deepEqual([idsOf(outcomes[0]).length, idsOf(outcomes[2]).length], [1, 1]);
	assert.deepEqual(await stage.log(), ['a', 'b', 'c']);
	assert.deepEqual(await channelsOf(stage), [':namespace:/', ':room:/\u001fhall']);
});

test('one key twice in one call is written by the first group', async (t) => {
	const stage = await LogStage.open(t, server);
	const keyed = entry('a', ['hall'], { onceKey: 'k' });
	const [first, second] = await append(stage, [[keyed], [keyed]]);
	assert.deepEqual(second, [{ id: idsOf(first)[0], duplicate: true }]);
	assert.deepEqual(await stage.log(), ['a']);
	assert.equal((await stage.takePushed()).length, 1);
	assert.notEqual(await stage.redis.get(stage.epochKey), 'before');
});

test('where plain servers read the log, nothing is routed', async (t) => {
	const stage = await LogStage.open(t, server);
	const [first] = await append(stage, [[entry('a', ['hall']), entry('b', [], { onceKey: 'k' })]], { isPlain: true });
	assert.equal(idsOf(first).length, 2);
	assert.deepEqual(await stage.log(), ['a', 'b']);
	assert.deepEqual(await stage.takePushed(), []);
	assert.deepEqual((await stage.redis.keys(`*${stage.stream}*`)).toSorted(), [stage.stream, `{${stage.stream}}:once:k`].toSorted());
});

test('references live as long as the log of the fleet, and go with it', async (t) => {
	const stage = await LogStage.open(t, server);
	const index = indexOf(stage.stream, '/', 'hall');
	await append(stage, [[entry('a', ['hall'])]]);
	assert.ok((await stage.redis.pttl(index)) > 3_600_000, 'no worker has said how long');
	const [first] = await append(stage, [Array.from({ length: 400 }, (_, i) => entry(`${i}`, ['hall']))]);
	const bound = idsOf(first)[300] ?? '';
	await stage.redis.hset(stage.bounds, 'first', bound, 'retention', 50_000);
	await append(stage, [[entry('b', ['hall'])]]);
	const life = await stage.redis.pttl(index);
	assert.ok(life > 0 && life <= 50_000);
	// By whole nodes of 100 entries.
	assert.ok((await stage.redis.xlen(index)) <= 202);
	assert.equal((await stage.redis.xrange(index, bound, bound)).length, 1);
});

test('a right that is missing is told, and what is on the log is known under its key', async (t) => {
	const stage = await LogStage.open(t, server);
	const connection = await stage.connectAs('mute-emitter', '~*', 'resetchannels');
	const keyed = entry('a', ['hall'], { onceKey: 'k' });
	await assert.rejects(append(stage, [[keyed, entry('b')]], { connection }), /^ReplyError: NOTROUTED .*(NOPERM|channel)/);
	assert.deepEqual(await stage.log(), ['a', 'b']);
	assert.equal((await stage.index(indexOf(stage.stream, '/', 'hall'))).length, 1);
	const [again] = await append(stage, [[keyed]]);
	assert.equal(typeof again === 'object' && again[0]?.duplicate, true);
	const blind = await stage.connectAs(
		'blind-emitter',
		`~${stage.stream}`,
		`~${stage.bounds}`,
		`~${stage.epochKey}`,
		`~{${stage.stream}}:once:*`,
		'&*',
	);
	await assert.rejects(append(stage, [[entry('c', ['hall'])]], { connection: blind }), /^ReplyError: NOPERM/);
	assert.deepEqual(await stage.log(), ['a', 'b']);
});

test('an index that is ahead of the log is begun anew, with a new epoch', async (t) => {
	const stage = await LogStage.open(t, server);
	const index = indexOf(stage.stream, '/', 'hall');
	await stage.redis.xadd(index, '9999999999999-0', '/', 'hall');
	await stage.redis.set(stage.epochKey, 'before');
	const [first] = await append(stage, [[entry('a', ['hall'])]]);
	assert.deepEqual(await stage.index(index), [`${idsOf(first)[0]} / hall`]);
	assert.equal((await stage.takePushed()).length, 1);
	assert.notEqual(await stage.redis.get(stage.epochKey), 'before');
});
