import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../../src/config/load.ts';
import type { OptionKey } from '../../../src/config/schema.ts';
import { buildServerOptions } from '../../../src/worker/socket-io.ts';

function optionsOf(flags: Partial<Record<OptionKey, unknown>>, options = {}) {
	const { config } = loadConfig({ flags, env: {}, cwd: '/nonexistent' });
	return buildServerOptions(config, { setup: () => undefined, options });
}

test('configuration becomes options of Socket.IO; those of the application stand unless Socketfleet has the same', () => {
	const options = optionsOf(
		{ pingIntervalMs: 1000, transports: 'websocket', path: '/chat/' },
		{ pingInterval: 5, cleanupEmptyChildNamespaces: true },
	);
	assert.equal(options.pingInterval, 1000);
	assert.deepEqual(options.transports, ['websocket']);
	assert.equal(options.path, '/chat/');
	assert.equal(options.cleanupEmptyChildNamespaces, true);
	assert.equal(options.perMessageDeflate, false);
});

test('whether clients are recovered says the fleet', () => {
	assert.equal('connectionStateRecovery' in optionsOf({}, { connectionStateRecovery: {} }), false);
});

test('no CORS unless asked for; `*` echoes the origin, which credentials need', () => {
	assert.equal('cors' in optionsOf({}), false);
	assert.deepEqual(optionsOf({ corsOrigin: 'https://a.example,https://b.example' }).cors, {
		origin: ['https://a.example', 'https://b.example'],
		credentials: true,
	});
	assert.deepEqual(optionsOf({ corsOrigin: '*' }).cors, { origin: true, credentials: true });
});
