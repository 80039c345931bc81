import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { hasHandle, resumeReading, stopReading } from '../../../src/edge/socket-handle.ts';

/** A socket over a handle that only counts. */
function createRig() {
	const handle = { reading: true, starts: 0, stops: 0, readStart: () => ++handle.starts, readStop: () => ++handle.stops };
	const socket = new Socket();
	Object.assign(socket, { _handle: handle });
	return { socket, handle };
}

test('a stopped socket does not read ahead, whatever its stream wants', () => {
	const { socket, handle } = createRig();
	socket.on('data', () => undefined);
	stopReading(socket);
	assert.deepEqual([handle.stops, handle.reading], [1, false]);
	handle.starts = 0;
	socket.read(0);
	assert.equal(handle.starts, 0);

	resumeReading(socket);
	assert.deepEqual([handle.starts, handle.reading], [1, true]);
	assert.equal(socket.readableFlowing, true);
	assert.equal(Object.hasOwn(socket, '_read'), false, 'the stream reads for itself again');
});

test('a socket whose handle was given away, or that has none yet, is told apart and does no harm', () => {
	const { socket } = createRig();
	assert.equal(hasHandle(socket), true);
	Object.assign(socket, { _handle: null });
	assert.equal(hasHandle(socket), false);
	stopReading(socket);
	resumeReading(socket);
});
