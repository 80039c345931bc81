import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientAddressFrom, createTrust, isLoopback, normalizeAddress } from '../../../src/net/client-address.ts';

test('each address has one spelling', () => {
	const cases: [string, string][] = [
		['203.0.113.7', '203.0.113.7'],
		['::ffff:203.0.113.7', '203.0.113.7'],
		['::FFFF:cb00:7107', '203.0.113.7'],
		['0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7'],
		['2001:DB8:0:0:0:0:0:7', '2001:db8::7'],
		['fe80::1%eth0', 'fe80::1'],
		['nonsense', 'nonsense'],
		['', ''],
	];
	for (const [address, expected] of cases) {
		assert.equal(normalizeAddress(address), expected);
	}
	const loopback = ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '0:0:0:0:0:0:0:1'];
	assert.deepEqual(loopback.filter(isLoopback), loopback);
	assert.deepEqual(['128.0.0.1', '::2', '127.evil.example', '127.', ''].filter(isLoopback), []);
});

test('trust by block, IPv4 however it is written; what is no block is refused with its text', () => {
	const isTrusted = createTrust(['10.0.0.0/8', '192.0.2.1/32', 'fc00::/7']);
	const trusted = ['10.255.0.1', '::ffff:10.0.0.1', '192.0.2.1', 'fd12::1', 'FD12::1%eth0'];
	assert.deepEqual(trusted.filter(isTrusted), trusted);
	assert.deepEqual(['11.0.0.1', '192.0.2.2', '2001:db8::1', '::1', 'nonsense', ''].filter(isTrusted), []);
	assert.equal(createTrust([])('10.0.0.1'), false);
	for (const cidr of ['10.0.0.0/33', '10.0.0.0', '::/129', '10.0.0/8', 'a/8', '10.0.0.0/', '10.0.0.0/-1']) {
		assert.throws(() => createTrust([cidr]), { code: 'ERR_CONFIG', message: new RegExp(`"${cidr}"`) });
	}
});

test('X-Forwarded-For is walked from the nearest hop, as far as hops are trusted', () => {
	const isTrusted = createTrust(['10.0.0.0/8', 'fd00::/8']);
	const cases: [string, string[], string, string][] = [
		['203.0.113.9', ['198.51.100.1'], '203.0.113.9', 'an untrusted peer is not believed'],
		['10.0.0.1', [], '10.0.0.1', 'no header'],
		['10.0.0.1', ['198.51.100.1'], '198.51.100.1', 'one proxy'],
		['::ffff:10.0.0.1', ['198.51.100.1, 10.0.0.3,10.0.0.2'], '198.51.100.1', 'three proxies'],
		['10.0.0.1', ['6.6.6.6, 198.51.100.1, 10.0.0.2'], '198.51.100.1', 'what the client itself claims is ignored'],
		['10.0.0.1', ['6.6.6.6', '198.51.100.1'], '198.51.100.1', 'several lines are one list'],
		['10.0.0.1', ['10.0.0.3, 10.0.0.2'], '10.0.0.3', 'trusted all the way'],
		['10.0.0.1', ['6.6.6.6, unknown, 10.0.0.2'], '10.0.0.2', 'garbage ends the walk'],
		['10.0.0.1', ['6.6.6.6, , 10.0.0.2'], '10.0.0.2', 'so does an empty entry'],
		['10.0.0.1', ['unknown'], '10.0.0.1', 'garbage only'],
		['10.0.0.1', ['198.51.100.1:4711'], '198.51.100.1', 'with a port'],
		['fd00::1', ['[2001:DB8::7]:4711'], '2001:db8::7', 'IPv6 with brackets and port'],
		['fd00::1', ['[2001:db8::7]'], '2001:db8::7', 'IPv6 with brackets'],
		['fd00::1', ['2001:db8::7'], '2001:db8::7', 'IPv6 bare'],
		['10.0.0.1', ['198.51.100.1:99999999'], '10.0.0.1', 'no such port'],
	];
	for (const [peer, header, expected, what] of cases) {
		assert.equal(clientAddressFrom(peer, header, isTrusted), expected, what);
	}
});
