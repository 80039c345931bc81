import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEntry, MESSAGES_LOST } from '../../../src/stream/entry.ts';
import { buildTombstones, type Lost } from '../../../src/stream/tombstones.ts';

const lostOf = (sequence: number, nsp: string, rooms: readonly unknown[]): Lost => ({
	mark: { publisher: 'p', sequence },
	fields: { uid: 'u', nsp, type: 3, data: '{}' },
	rooms,
});

test('each target of what was given up is told once, under the last sequences of it', () => {
	const lost = [lostOf(5, '/', ['a']), lostOf(6, '/', ['b', 'a']), lostOf(7, '/', ['a', 'b']), lostOf(8, '/n', []), lostOf(9, '/', ['a'])];
	const tombstones = buildTombstones(lost);
	assert.deepEqual(
		tombstones.map(({ mark, fields, rooms }) => [mark.sequence, fields.nsp, rooms]),
		[
			[7, '/', ['a']],
			[8, '/', ['a', 'b']],
			[9, '/n', []],
		],
	);
	for (const { fields, rooms } of tombstones) {
		assert.equal(fields.type, MESSAGES_LOST);
		assert.deepEqual(decodeEntry(fields), { kind: 'lost', target: { rooms, except: [], flags: {} } });
	}
	assert.deepEqual(buildTombstones([]), []);
});

test('of too many targets their namespaces are told, and what was given up twice is told as once', () => {
	const lost = Array.from({ length: 3000 }, (_, i) => lostOf(i + 1, i % 2 === 0 ? '/' : '/n', [`room-${i}`]));
	const tombstones = buildTombstones(lost);
	assert.deepEqual(
		tombstones.map(({ mark, fields, rooms }) => [mark.sequence, fields.nsp, rooms]),
		[
			[2999, '/', []],
			[3000, '/n', []],
		],
	);
	assert.deepEqual(
		buildTombstones(tombstones).map(({ mark }) => mark.sequence),
		[2999, 3000],
	);
});
