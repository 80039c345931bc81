import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode } from '@msgpack/msgpack';
import {
	decodeEntry,
	formatMark,
	formatRooms,
	idOf,
	MESSAGES_LOST,
	parseEntries,
	parseEntry,
	parsePush,
} from '../../../src/stream/entry.ts';
import { createRandom } from '../../support/fuzz.ts';

const PACKET = { type: 2, data: ['event', 1], nsp: '/' };
const OPTS = { rooms: ['a'], except: ['b'], flags: { volatile: true } };

test('an entry of the official adapter, and one of ours with its two fields more', () => {
	const official = parseEntry(['5-1', ['uid', 'u', 'nsp', '/', 'type', '3', 'data', '{}']]);
	assert.deepEqual(official, {
		kind: 'entry',
		entry: { id: '5-1', uid: 'u', nsp: '/', type: 3, data: '{}', mark: undefined, rooms: undefined },
	});
	const mark = { publisher: 'p.0', sequence: 7 };
	const rooms = formatRooms(['a b', 'ü', ',"']);
	const ours = parseEntry(['5-2', ['uid', 'u', 'nsp', '/', 'type', '3', 'data', '{}', 'pub', formatMark(mark), 'to', rooms]]);
	assert.ok(ours?.kind === 'entry');
	assert.deepEqual(ours.entry.mark, mark);
	assert.deepEqual(ours.entry.rooms, ['a b', 'ü', ',"']);
});

/** As the scripts build it. */
const pushOf = (...parts: readonly string[]): string => parts.join('\0');

test('a push is the entry, but for the rooms that it came by', () => {
	const mark = { publisher: 'p.0', sequence: 7 };
	assert.deepEqual(parsePush(pushOf('5-1', 'u', '3', formatMark(mark), '/n', '{"a":"\u001f"}')), {
		kind: 'entry',
		entry: { id: '5-1', uid: 'u', nsp: '/n', type: 3, data: '{"a":"\u001f"}', mark, rooms: undefined },
	});
	const outside = parsePush(pushOf('5-2', 'emitter', '3', '', '/', ''));
	assert.ok(outside?.kind === 'entry');
	assert.deepEqual([outside.entry.mark, outside.entry.data], [undefined, '']);
});

test('a client that names its namespace, where it may, puts nothing into the fields of a push', () => {
	const nsp = pushOf('/a', '3', 'p 1', '/victim', '{"packet":{}}');
	const parsed = parsePush(pushOf('5-1', 'u', '3', '', nsp, '{}'));
	assert.ok(parsed?.kind === 'entry');
	assert.deepEqual([parsed.entry.nsp, parsed.entry.data, parsed.entry.mark], [nsp, '{}', undefined]);
});

test('a push of no sense is malformed, under its id if it has one', () => {
	for (const text of ['', 'x', '5-1', pushOf('', 'u', '3', '', '/', '{}'), pushOf('5', 'u', '3', '', '/', '{}'), '\0'.repeat(9)]) {
		assert.equal(parsePush(text), undefined, JSON.stringify(text));
	}
	for (const [text, reason] of [
		[pushOf('5-1', ''), 'missing_field'],
		[pushOf('5-1', 'u', '3', ''), 'missing_field'],
		[pushOf('5-1', 'u', '3', '', '/'), 'missing_field'],
		[pushOf('5-1', '', '3', '', '/', '{}'), 'missing_field'],
		[pushOf('5-1', 'u', '3', '', '', '{}'), 'missing_field'],
		[pushOf('5-1', 'u', 'three', '', '/', '{}'), 'bad_type'],
	] as const) {
		assert.deepEqual(parsePush(text), { kind: 'malformed', id: '5-1', reason }, JSON.stringify(text));
	}
	const [bad] = parseEntries([undefined, ['5-1', []], ['x', []]]);
	assert.ok(bad);
	assert.equal(idOf(bad), '5-1');
});

test('rooms that can not be told as text are not told at all', () => {
	for (const rooms of [[], [1], ['a', 2], [''], ['a\u001fb']]) {
		assert.equal(formatRooms(rooms), undefined);
	}
});

test('data in JSON and in MessagePack', () => {
	const fields = { uid: 'u', nsp: '/', type: 3 };
	const expected = { kind: 'broadcast', packet: PACKET, target: OPTS };
	assert.deepEqual(decodeEntry({ ...fields, data: JSON.stringify({ packet: PACKET, opts: OPTS }) }), expected);
	const binary = { type: 2, data: ['event', Buffer.from([1, 2])], nsp: '/' };
	const packed = decodeEntry({ ...fields, data: Buffer.from(encode({ packet: binary, opts: OPTS })).toString('base64') });
	assert.ok(packed.kind === 'broadcast');
	assert.deepEqual(packed.packet.data, ['event', Buffer.from([1, 2])]);
	const moves = { opts: OPTS, rooms: ['x'] };
	assert.deepEqual(decodeEntry({ ...fields, type: 4, data: JSON.stringify(moves) }), { kind: 'join', target: OPTS, rooms: ['x'] });
	assert.deepEqual(decodeEntry({ ...fields, type: 5, data: JSON.stringify(moves) }), { kind: 'leave', target: OPTS, rooms: ['x'] });
	assert.deepEqual(decodeEntry({ ...fields, type: 6, data: JSON.stringify({ opts: OPTS, close: true }) }), {
		kind: 'disconnect',
		target: OPTS,
		close: true,
	});
	assert.deepEqual(decodeEntry({ ...fields, type: MESSAGES_LOST, data: JSON.stringify({ opts: OPTS }) }), { kind: 'lost', target: OPTS });
	assert.deepEqual(decodeEntry({ ...fields, type: 9, data: '{"packet":[]}' }), { kind: 'other' });
});

test('what makes no sense is malformed, whatever it is', () => {
	const malformed: readonly unknown[] = [
		'',
		'{',
		'[]',
		'null',
		'{}',
		'{"packet":{"type":2,"data":[]}}',
		'{"packet":{"type":"2","data":[]},"opts":{"rooms":[]}}',
		'{"packet":{"type":2,"data":{}},"opts":{"rooms":[]}}',
		'{"packet":{"type":2,"data":[]},"opts":{"rooms":{}}}',
		'{"packet":{"type":2,"data":[]},"opts":{"rooms":[{}]}}',
		'{"packet":{"type":2,"data":[]},"opts":{"rooms":[],"except":"x"}}',
		'wP8=',
		...[1, 5, 99, 2.5].map((type) => `{"packet":{"type":${type},"data":["event"]},"opts":{"rooms":[]}}`),
		...['[]', '[null]', '[{}]', '["connect"]', '["disconnect",1]'].map(
			(data) => `{"packet":{"type":2,"data":${data}},"opts":{"rooms":[]}}`,
		),
		...['"x"', '-1', '1.5'].map((id) => `{"packet":{"type":2,"id":${id},"data":["event"]},"opts":{"rooms":[]}}`),
	];
	for (const data of malformed) {
		assert.equal(decodeEntry({ uid: 'u', nsp: '/', type: 3, data: String(data) }).kind, 'malformed', String(data));
	}
	for (const type of [4, 5, 6, MESSAGES_LOST]) {
		for (const data of ['', '{}', '{"opts":{"rooms":5},"rooms":[]}', '{"opts":[],"rooms":[]}']) {
			assert.equal(decodeEntry({ uid: 'u', nsp: '/', type, data }).kind, 'malformed', `${type} ${data}`);
		}
	}
	for (const raw of [undefined, 'x', [], ['x', []], [5, []]]) {
		assert.equal(parseEntry(raw), undefined);
	}
	for (const fields of ['x', [], ['uid', 'u'], ['uid', 'u', 'nsp', '/', 'type', 'three'], ['uid', 'u', 'nsp', '/', 'type', '-3']]) {
		assert.equal(parseEntry(['1-1', fields])?.kind, 'malformed');
	}
});

test('a prototype in the data pollutes nothing', () => {
	decodeEntry({
		uid: 'u',
		nsp: '/',
		type: 3,
		data: '{"packet":{"type":2,"data":[]},"opts":{"rooms":[],"flags":{"__proto__":{"polluted":1}}}}',
	});
	parseEntry(['1-1', ['__proto__', 'x', 'constructor', 'y']]);
	assert.equal(({} as { polluted?: number }).polluted, undefined);
});

test('random bytes are never more than malformed', () => {
	const random = createRandom(5);
	const sample = JSON.stringify({ packet: PACKET, opts: OPTS });
	const packed = Buffer.from(encode({ packet: PACKET, opts: OPTS })).toString('base64');
	for (let i = 0; i < 20_000; i++) {
		const text = (i % 2 ? sample : packed).split('');
		for (let damage = 0; damage < 3; damage++) {
			text.splice(Math.floor(random() * text.length), Math.floor(random() * 3), String.fromCharCode(Math.floor(random() * 128)));
		}
		const decoded = decodeEntry({ uid: 'u', nsp: '/', type: 3, data: text.join('') });
		assert.ok(decoded.kind === 'malformed' || decoded.kind === 'broadcast');
	}
});
