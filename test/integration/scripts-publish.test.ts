/** The script that puts messages on the log, into the index and on channels, in a real Redis. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { parsePush } from '../../src/stream/entry.ts';
import { isAfter } from '../../src/stream/offset.ts';
import { indexOf } from '../../src/stream/route.ts';
import { LogStage, RETENTION_MS } from '../support/log-stage.ts';
import { startRedis } from '../support/redis-server.ts';

const server = await startRedis({ after });
const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `room ${i}`);

test('messages are on the log, in the index and pushed, in their order, and answered with their ids', async (t) => {
	const stage = await LogStage.open(t, server);
	const { ids, epoch } = await stage.publish({
		messages: [{ data: '{"a":1}', rooms: ['hall'] }, { data: 'b' }, { data: 'c', nsp: '/chat' }],
	});
	assert.match(epoch, /^\d+\.\d+$/);
	assert.deepEqual(await stage.redis.xrange(stage.stream, '-', '+'), [
		[ids[0], ['uid', 'u', 'nsp', '/', 'type', '3', 'data', '{"a":1}', 'pub', 'p 1', 'to', 'hall']],
		[ids[1], ['uid', 'u', 'nsp', '/', 'type', '3', 'data', 'b', 'pub', 'p 2']],
		[ids[2], ['uid', 'u', 'nsp', '/chat', 'type', '3', 'data', 'c', 'pub', 'p 3']],
	]);
	assert.deepEqual(await stage.index(indexOf(stage.stream, '/', 'hall')), [`${ids[0]} / hall`]);
	assert.deepEqual(await stage.index(indexOf(stage.stream, '/')), [`${ids[1]} / `]);
	assert.deepEqual(await stage.index(indexOf(stage.stream, '/chat')), [`${ids[2]} /chat `]);
	const pushed = await stage.takePushed();
	assert.deepEqual(
		pushed.map(([channel]) => channel),
		[':room:/\u001fhall', ':namespace:/', ':namespace:/chat'],
	);
	const common = { uid: 'u', nsp: '/', type: 3, rooms: undefined };
	assert.deepEqual(parsePush(pushed[0]?.[1] ?? ''), {
		kind: 'entry',
		entry: { ...common, id: ids[0], data: '{"a":1}', mark: { publisher: 'p', sequence: 1 } },
	});
	assert.equal((await stage.publish({ messages: [{ data: 'd' }], sequence: 4, acknowledged: 3 })).epoch, epoch);
});

test('a message goes to each of its rooms; those that share an index stream share a reference', async (t) => {
	const stage = await LogStage.open(t, server);
	const [first = '', ...others] = numbered(5000);
	const index = indexOf(stage.stream, '/', first);
	const shared = others.find((room) => indexOf(stage.stream, '/', room) === index) ?? '';
	const { ids } = await stage.publish({ messages: [{ data: 'a', rooms: [first, 5, shared, '5', 1.5] }] });
	assert.deepEqual(await stage.index(index), [`${ids[0]} / ${first} / ${shared}`]);
	assert.deepEqual(await stage.index(indexOf(stage.stream, '/', '5')), [`${ids[0]} / 5`]);
	const pushed = await stage.takePushed();
	assert.deepEqual(
		pushed.map(([channel]) => channel).toSorted(),
		[first, shared, '1.5', '5'].map((room) => `:room:/\u001f${room}`).toSorted(),
	);
	assert.equal(new Set(pushed.map(([, payload]) => payload)).size, 1);
});

test('a message for many rooms, or for rooms that can not be told, goes to their namespace', async (t) => {
	const stage = await LogStage.open(t, server);
	await stage.publish({ messages: [{ data: 'a', rooms: numbered(8) }] });
	assert.equal((await stage.takePushed()).length, 8);
	const { ids } = await stage.publish({
		messages: [
			{ data: 'b', rooms: numbered(9) },
			{ data: 'c', rooms: numbered(1000) },
			{ data: 'd', rooms: ['x\u001fy'] },
		],
		sequence: 2,
	});
	assert.deepEqual(
		(await stage.takePushed()).map(([channel]) => channel),
		Array(3).fill(':namespace:/'),
	);
	assert.deepEqual(
		await stage.index(indexOf(stage.stream, '/')),
		ids.map((id) => `${id} / `),
	);
});

test('a namespace that a client named is pushed as it is', async (t) => {
	const stage = await LogStage.open(t, server);
	const nsp = '/a\x003\0p 1\0/victim\0{}';
	await stage.publish({ messages: [{ data: 'a', nsp }] });
	const [push] = await stage.takePushed();
	const parsed = parsePush(push?.[1] ?? '');
	assert.ok(parsed?.kind === 'entry');
	assert.deepEqual([parsed.entry.nsp, parsed.entry.data], [nsp, 'a']);
});

test('a batch whose answer was lost is not written again; what is new in it is', async (t) => {
	const stage = await LogStage.open(t, server);
	const messages = [{ data: 'a', rooms: ['x', 'y', 7] }, { data: 'b' }, { data: 'c', rooms: ['z'] }];
	const first = await stage.publish({ messages: messages.slice(0, 2) });
	await stage.takePushed();
	const last = first.ids[1];
	assert.deepEqual(await stage.publish({ messages: messages.slice(0, 2) }), { epoch: first.epoch, ids: [last, last] });
	assert.deepEqual(await stage.takePushed(), []);
	const again = await stage.publish({ messages });
	assert.deepEqual(again.ids.slice(0, 2), [last, last]);
	assert.ok(last !== undefined && again.ids[2] !== undefined && isAfter(again.ids[2], last));
	assert.deepEqual(await stage.log(), ['a', 'b', 'c']);
	assert.deepEqual(
		(await stage.takePushed()).map(([channel]) => channel),
		[':room:/\u001fz'],
	);
	assert.equal(await stage.redis.get(stage.publisherKey('p')), '3');
});

test('publishers do not know of each other', async (t) => {
	const stage = await LogStage.open(t, server);
	await stage.publish({ messages: [{ data: 'a' }, { data: 'b' }] });
	await stage.publish({ messages: [{ data: 'c' }], publisher: 'q' });
	assert.deepEqual(await stage.log(), ['a', 'b', 'c']);
});

test('a log that has forgotten what it acknowledged was set back: a new epoch begins, once', async (t) => {
	const stage = await LogStage.open(t, server);
	const before = await stage.publish({ messages: [{ data: 'a' }, { data: 'b' }] });
	await stage.redis.set(stage.publisherKey('p'), 1);
	const after = await stage.publish({ messages: [{ data: 'c' }], sequence: 3, acknowledged: 2 });
	assert.notEqual(after.epoch, before.epoch);
	assert.equal(await stage.redis.get(stage.epochKey), after.epoch);
	assert.equal((await stage.publish({ messages: [{ data: 'd' }], sequence: 4, acknowledged: 3 })).epoch, after.epoch);
});

test('a log that is gone was set back, too, and takes the batch whose answer was lost with it', async (t) => {
	const stage = await LogStage.open(t, server);
	const before = await stage.publish({ messages: [{ data: 'a' }] });
	await stage.redis.del(stage.stream);
	const after = await stage.publish({ messages: [{ data: 'a' }, { data: 'b' }] });
	assert.notEqual(after.epoch, before.epoch);
	assert.equal(after.ids.length, 2);
	assert.ok((await stage.log()).includes('b'));
});

test('an index that is ahead of the log shows that it was set back: it is begun anew, with a new epoch', async (t) => {
	const stage = await LogStage.open(t, server);
	const before = await stage.publish({ messages: [{ data: 'a', rooms: ['x'] }] });
	const index = indexOf(stage.stream, '/', 'hall');
	await stage.redis.xadd(index, '9999999999999-0', '/', 'hall');
	const after = await stage.publish({ messages: [{ data: 'b', rooms: ['hall'] }], sequence: 2, acknowledged: 1 });
	assert.notEqual(after.epoch, before.epoch);
	assert.deepEqual(await stage.index(index), [`${after.ids[0]} / hall`]);
	assert.equal((await stage.takePushed()).length, 2);
	assert.equal((await stage.publish({ messages: [{ data: 'c', rooms: ['hall'] }], sequence: 3 })).epoch, after.epoch);
});

test('a script that fails half-way keeps what it wrote, and goes on there when it is repeated', async (t) => {
	const stage = await LogStage.open(t, server);
	const messages = ['a', 'b', 'c'].map((data) => ({ data, rooms: [`room ${data}`] }));
	const index = indexOf(stage.stream, '/', 'room b');
	await stage.redis.set(index, 'no stream');
	await assert.rejects(stage.publish({ messages }), /^ReplyError: NOTROUTED WRONGTYPE/);
	assert.deepEqual(await stage.log(), ['a', 'b']);
	assert.equal(await stage.redis.get(stage.publisherKey('p')), '1');
	await stage.takePushed();
	await stage.redis.del(index);
	const { ids } = await stage.publish({ messages });
	assert.deepEqual(await stage.log(), ['a', 'b', 'b', 'c'], 'readers drop the repetition by its mark');
	assert.equal(ids.length, 3);
	assert.deepEqual(await stage.index(index), [`${ids[1]} / room b`]);
	assert.deepEqual(
		(await stage.takePushed()).map(([channel]) => channel),
		[':room:/\u001froom b', ':room:/\u001froom c'],
	);
});

test('a user without the right for the channels is told, and the message is on the log and in the index all the same', async (t) => {
	const stage = await LogStage.open(t, server);
	const connection = await stage.connectAs('mute', '~*', 'resetchannels', '&elsewhere:*');
	for (const rooms of [['hall'], []]) {
		const publisher = `p ${rooms.join()}`;
		await assert.rejects(
			stage.publish({ messages: [{ data: publisher, rooms }], publisher, connection }),
			/^ReplyError: NOTROUTED .*(NOPERM|channel)/,
		);
		assert.equal((await stage.log()).at(-1), publisher);
		assert.equal((await stage.index(indexOf(stage.stream, '/', rooms[0]))).length, 1);
		assert.equal(await stage.redis.get(stage.publisherKey(publisher)), '0', 'it comes again with the next try');
	}
});

test('a user without the right for the index writes nothing at all', async (t) => {
	const stage = await LogStage.open(t, server);
	const own = [stage.stream, stage.publisherKey('p'), stage.epochKey, stage.bounds].map((key) => `~${key}`);
	const connection = await stage.connectAs('blind', ...own, '&*');
	await assert.rejects(stage.publish({ messages: [{ data: 'a', rooms: ['hall'] }], connection }), /^ReplyError: NOPERM/);
	assert.deepEqual(await stage.log(), []);
});

test('a probe tells which right is missing, and writes no message', async (t) => {
	const stage = await LogStage.open(t, server);
	const index = indexOf(stage.stream, '');
	assert.match(await stage.probe(index), /^\d+\.\d+$/);
	assert.deepEqual([await stage.log(), await stage.redis.exists(index)], [[], 0]);
	await assert.rejects(
		stage.probe(index, await stage.connectAs('mute-probe', '~*', 'resetchannels')),
		/^ReplyError: NOTROUTED .*(NOPERM|channel)/,
	);
	const readers = await stage.connectAs('reading-probe', `%R~${stage.stream}:index*`, `~${stage.stream}`, `~${stage.stream}:[pbe]*`, '&*');
	await assert.rejects(stage.probe(index, readers), /^ReplyError: N(OPERM|OTROUTED)/);
});

test('what is too old goes, from the log by its age and length, and from the index with the log', async (t) => {
	const stage = await LogStage.open(t, server);
	const index = indexOf(stage.stream, '/', 'hall');
	const ids: string[] = [];
	const publish = async (from: number, maxLen = 1_000_000, retentionMs = RETENTION_MS): Promise<void> => {
		const messages = Array.from({ length: 250 }, () => ({ data: 'x', rooms: ['hall'] }));
		ids.push(...(await stage.publish({ messages, sequence: from, maxLen, retentionMs })).ids);
	};
	await publish(1);
	await publish(251);
	assert.equal(await stage.redis.xlen(index), 500);
	await stage.redis.hset(stage.bounds, 'first', ids[300] ?? '');
	await publish(501, 100);
	// By whole nodes of 100 entries.
	assert.ok((await stage.redis.xlen(stage.stream)) < 300);
	const [firstInIndex = ''] = (await stage.redis.xrange(index, '-', '+', 'COUNT', 1)).map(([id]) => id);
	assert.ok(ids.indexOf(firstInIndex) > 200 && ids.indexOf(firstInIndex) <= 300, `${ids.indexOf(firstInIndex)}`);
	assert.ok((await stage.redis.pttl(index)) > RETENTION_MS / 2);
	assert.ok((await stage.redis.pttl(stage.publisherKey('p'))) > RETENTION_MS / 2);
});
