import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { MessageType } from 'socket.io-adapter';
import * as protocol from '../../../src/stream/protocol.ts';

test("message types are those of socket.io-adapter, and an event is socket.io-parser's", () => {
	const { EVENT_PACKET, ...types } = protocol;
	const { PacketType } = createRequire(import.meta.resolve('socket.io'))('socket.io-parser');
	assert.equal(EVENT_PACKET, PacketType.EVENT);
	const {
		INITIAL_HEARTBEAT: _,
		HEARTBEAT: __,
		...theirs
	} = Object.fromEntries(Object.entries(MessageType).filter(([name]) => !/^\d+$/.test(name)));
	assert.deepEqual({ ...types }, theirs);
});
