import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../../src/config/load.ts';
import type { Config, OptionKey } from '../../../src/config/schema.ts';
import { keyPrefixOf } from '../../../src/redis/keys.ts';
import { buildConnectionOptions, parseRedisTarget } from '../../../src/redis/options.ts';

function configOf(flags: Partial<Record<OptionKey, unknown>>): Config {
	return loadConfig({ env: {}, flags: { fleetKey: 'unit-key-0123456789', ...flags }, cwd: '/nonexistent' }).config;
}

test('address, user, password and database from the URL', () => {
	const target = parseRedisTarget(configOf({ redisUrl: 'redis://us%40er:p%3Ass@[::1]:7000/3' }));
	assert.deepEqual(target, { addresses: [{ host: '::1', port: 7000 }], tls: false, username: 'us@er', password: 'p:ss', db: 3 });
});

test('their own options win over the URL, and several addresses share them', () => {
	const config = configOf({
		redisUrl: 'rediss://u:p@one,rediss://two:7001',
		redisMode: 'sentinel',
		redisUsername: 'other',
		redisPassword: 'secret',
	});
	const target = parseRedisTarget(config);
	assert.deepEqual(target.addresses, [
		{ host: 'one', port: 26_379 },
		{ host: 'two', port: 7001 },
	]);
	assert.deepEqual([target.username, target.password, target.tls], ['other', 'secret', true]);
	const options = buildConnectionOptions(config, target, 'commands');
	assert.deepEqual(options.tls, {});
	assert.equal(options.enableOfflineQueue, false);
});

test('a database that is no number, and a CA file that is not there, are said at once', () => {
	assert.throws(() => parseRedisTarget(configOf({ redisUrl: 'redis://host/x' })), /number of a database/);
	const config = configOf({ redisUrl: 'rediss://host', redisTlsCaFile: '/nonexistent/ca.pem' });
	assert.throws(() => buildConnectionOptions(config, parseRedisTarget(config), 'x'), /redisTlsCaFile/);
});

test('in a Cluster all keys of a fleet share a slot', () => {
	assert.equal(keyPrefixOf(configOf({ fleet: 'chat' })), 'socketfleet:chat');
	assert.equal(keyPrefixOf(configOf({ fleet: 'chat', redisMode: 'cluster' })), '{socketfleet:chat}');
});
