import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { answerAndClose, answerBadHead } from '../../../src/edge/answers.ts';

/** Collects what is written; its own input never ends. */
function createRig() {
	let written = '';
	const socket = new Duplex({
		read: () => undefined,
		write: (chunk: Buffer, _encoding, done) => {
			written += chunk.toString();
			done();
		},
	});
	return { socket: socket as unknown as Socket, written: () => written };
}

test('an answer is well-formed HTTP with its length in bytes, and ends the connection', (t) => {
	t.mock.timers.enable({ apis: ['setTimeout'] });
	const { socket, written } = createRig();
	answerAndClose(socket, 503, { message: 'später' }, ['Retry-After: 1']);
	const [head = '', body = ''] = written().split('\r\n\r\n');
	assert.deepEqual(head.split('\r\n'), [
		'HTTP/1.1 503 Service Unavailable',
		'Content-Type: application/json',
		`Content-Length: ${Buffer.byteLength(body)}`,
		'Connection: close',
		'Retry-After: 1',
	]);
	assert.deepEqual(JSON.parse(body), { message: 'später' });
	assert.equal(socket.writableEnded, true);
	assert.doesNotThrow(() => socket.emit('error', new Error('reset')), 'a peer that resets ends nothing but itself');
	assert.equal(socket.destroyed, true);
});

test('a head that is late, too long or none has its own status', () => {
	for (const [reason, line] of [
		['head_timeout', 'HTTP/1.1 408 Request Timeout'],
		['head_too_large', 'HTTP/1.1 431 Request Header Fields Too Large'],
		['bad_head', 'HTTP/1.1 400 Bad Request'],
	] as const) {
		const { socket, written } = createRig();
		answerBadHead(socket, reason);
		assert.ok(written().startsWith(`${line}\r\n`), written());
	}
});
