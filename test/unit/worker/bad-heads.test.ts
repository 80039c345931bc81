import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { createMetrics } from '../../../src/metrics/registry.ts';
import { refuseBadHeads } from '../../../src/worker/bad-heads.ts';

test('what the parser refuses is counted by reason; who just went away is not', async () => {
	const metrics = createMetrics();
	const server = new EventEmitter();
	refuseBadHeads(server as HttpServer, metrics);
	for (const code of [
		'ERR_HTTP_REQUEST_TIMEOUT',
		'HPE_HEADER_OVERFLOW',
		'HPE_INVALID_METHOD',
		'HPE_INVALID_EOF_STATE',
		'ECONNRESET',
		undefined,
	]) {
		const socket = new PassThrough();
		server.emit('clientError', Object.assign(new Error('refused'), code === undefined ? {} : { code }), socket);
		assert.equal(socket.destroyed, true);
	}
	const answered = new PassThrough();
	answered.end();
	server.emit('clientError', Object.assign(new Error('refused'), { code: 'HPE_HEADER_OVERFLOW' }), answered);
	assert.equal(answered.destroyed, false, 'its answer may still be on the way');
	const { own } = await metrics.snapshot();
	const samples = own.find(({ name }) => name === 'socketfleet_rejected_connections_total')?.samples ?? [];
	const counts = Object.fromEntries(samples.filter(({ value }) => value > 0).map(({ labels, value }) => [labels.reason, value]));
	assert.deepEqual(counts, { head_timeout: 1, head_too_large: 1, bad_head: 1 });
});
