/** Requests -> entries of the stream, in the official adapter's wire format. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '@msgpack/msgpack';
import { MessageType } from 'socket.io-adapter';
import { type Built, buildBatch, buildDisconnect, buildEmit, buildRoomsChange, WIRE_TYPES } from '../../../src/emit/message.ts';
import { DISCONNECT_REQUEST, EMIT_BATCH, EMIT_MESSAGE, ROOMS_REQUEST } from '../../../src/emit/schema.ts';
import { decodeEntry } from '../../../src/stream/entry.ts';
import { createRandom } from '../../support/fuzz.ts';
import { buildValue, type Schema, spoil } from './schema-values.ts';

function only(built: Built): Record<string, unknown> {
	assert.ok(built.kind === 'entries', JSON.stringify(built));
	assert.equal(built.entries.length, 1);
	return { ...built.entries[0] };
}

function problemsOf(built: Built): string {
	assert.ok(built.kind === 'invalid');
	return built.problems.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ');
}

test('an event becomes the entry that the official adapter would have written, and names its rooms outside', () => {
	const built = buildEmit({
		namespace: '/shop',
		rooms: ['a', 'b'],
		except: ['c'],
		event: 'news',
		args: [{ n: 1 }, 'x'],
		volatile: true,
		idempotencyKey: 'k',
	});
	assert.deepEqual(only(built), {
		nsp: '/shop',
		type: String(MessageType.BROADCAST),
		data: JSON.stringify({
			packet: { type: 2, data: ['news', { n: 1 }, 'x'], nsp: '/shop' },
			opts: { rooms: ['a', 'b'], except: ['c'], flags: { volatile: true } },
		}),
		rooms: ['a', 'b'],
		onceKey: 'k',
	});
	assert.deepEqual(built.kind === 'entries' && built.reaches, [{ namespace: '/shop', rooms: ['a', 'b'] }]);
});

test('binary makes the data msgpack in base64; what JSON would drop or convert is dropped and converted', () => {
	const { data } = only(
		buildEmit({
			event: 'x',
			args: [new Uint8Array([1, 2]), { when: new Date(0), gone: undefined, list: [undefined, new ArrayBuffer(1)] }],
		}),
	);
	assert.deepEqual(decode(Buffer.from(String(data), 'base64')), {
		packet: {
			type: 2,
			data: ['x', Buffer.from([1, 2]), { when: '1970-01-01T00:00:00.000Z', list: [null, Buffer.alloc(1)] }],
			nsp: '/',
		},
		opts: { rooms: [], except: [], flags: {} },
	});
});

test('the wire types are those of socket.io-adapter', () => {
	assert.deepEqual(WIRE_TYPES, {
		broadcast: String(MessageType.BROADCAST),
		socketsJoin: String(MessageType.SOCKETS_JOIN),
		socketsLeave: String(MessageType.SOCKETS_LEAVE),
		disconnectSockets: String(MessageType.DISCONNECT_SOCKETS),
	});
});

test('joins, leaves and disconnects select as the request says', () => {
	const built = buildRoomsChange({ rooms: ['a'], except: ['b'], join: ['x'], leave: ['y'] });
	assert.ok(built.kind === 'entries');
	const opts = { rooms: ['a'], except: ['b'], flags: {} };
	assert.deepEqual(
		built.entries.map(({ type, data }) => [type, JSON.parse(data)]),
		[
			[WIRE_TYPES.socketsJoin, { opts, rooms: ['x'] }],
			[WIRE_TYPES.socketsLeave, { opts, rooms: ['y'] }],
		],
	);
	assert.deepEqual(built.reaches, [{ namespace: '/', rooms: ['a', 'x', 'y'] }]);
	const everyone = buildDisconnect({ all: true, close: true });
	assert.deepEqual(JSON.parse(String(only(everyone).data)), { opts: { rooms: [], except: [], flags: {} }, close: true });
	assert.deepEqual(everyone.kind === 'entries' && everyone.reaches, [{ namespace: '/', rooms: undefined }]);
});

test('arguments that can not be carried are refused', () => {
	const cycle: Record<string, unknown> = {};
	cycle.self = cycle;
	assert.equal(problemsOf(buildEmit({ event: 'x', args: [cycle] })), '/args is nested deeper than 64 levels, or circular');
	assert.equal(problemsOf(buildEmit({ event: 'x', args: [{ n: 1n }] })), '/args holds a BigInt, which JSON can not carry');
	assert.equal(
		problemsOf(buildBatch({ messages: [{ event: 'x' }, { event: 'y', args: [1n] }] })),
		'/messages/1/args holds a BigInt, which JSON can not carry',
	);
	assert.equal(problemsOf(buildEmit({ event: 'x', args: [JSON.parse('{"__proto__":1}')] })), '/args holds a key "__proto__"');
});

const FUZZED: readonly (readonly [string, Schema, (value: unknown) => Built])[] = [
	['EmitMessage', EMIT_MESSAGE, buildEmit],
	['EmitBatch', EMIT_BATCH, buildBatch],
	['RoomsRequest', ROOMS_REQUEST, buildRoomsChange],
	['DisconnectRequest', DISCONNECT_REQUEST, buildDisconnect],
];

for (const [name, schema, build] of FUZZED) {
	test(`${name}: what the schema allows becomes entries that readers take; one wrong field is named`, () => {
		const random = createRandom(20261125);
		for (let round = 0; round < 300; round++) {
			const value = buildValue(schema, random) as Record<string, unknown>;
			const built = build(value);
			if (built.kind === 'entries') {
				for (const entry of built.entries) {
					const message = decodeEntry({ uid: 'emitter', nsp: entry.nsp, type: Number(entry.type), data: entry.data });
					assert.ok(message.kind !== 'malformed' && message.kind !== 'other', JSON.stringify(value));
				}
			} else {
				// The one rule that the schemas do not tell: something must change.
				assert.equal(problemsOf(built), ' needs "join", "leave" or both', JSON.stringify(value));
			}
			const spoiled = spoil(schema, value, random);
			const refused = build(spoiled.value);
			assert.ok(refused.kind === 'invalid', JSON.stringify(spoiled));
			assert.ok(
				refused.problems.some(({ pointer }) => pointer === spoiled.pointer || pointer === ''),
				JSON.stringify({ spoiled, refused }),
			);
		}
	});
}
