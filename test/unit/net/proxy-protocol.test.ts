import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProxyHeader } from '../../../src/net/proxy-protocol.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';

function v2(versionAndCommand: string, familyAndTransport: string, body: string, statedBytes = body.length / 2): Buffer {
	return Buffer.from(`${SIGNATURE}${versionAndCommand}${familyAndTransport}${statedBytes.toString(16).padStart(4, '0')}${body}`, 'hex');
}

test('version 1: addresses, ports, and where the connection itself begins', () => {
	const bytes = Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\nGET /');
	assert.deepEqual(parseProxyHeader(bytes), { kind: 'found', length: 44, source: { address: '203.0.113.7', port: 56_324 } });
	assert.deepEqual(parseProxyHeader(Buffer.from('PROXY TCP6 2001:DB8:0:0::7 ::1 0 65535\r\n')), {
		kind: 'found',
		length: 40,
		source: { address: '2001:db8::7', port: 0 },
	});
	assert.deepEqual(parseProxyHeader(Buffer.from('PROXY UNKNOWN\r\n')), { kind: 'found', length: 15 });
	assert.deepEqual(parseProxyHeader(Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n')), { kind: 'found', length: 35 });
});

test('version 2: IPv4, IPv6, mapped IPv4, TLVs skipped, LOCAL and sockets that are not TCP have no source', () => {
	const tcp4 = 'cb007107c0000201dc0401bb';
	const found = (length: number, address?: string) => ({
		kind: 'found',
		length,
		...(address ? { source: { address, port: 56_324 } } : {}),
	});
	assert.deepEqual(parseProxyHeader(v2('21', '11', tcp4)), found(28, '203.0.113.7'));
	assert.deepEqual(parseProxyHeader(v2('21', '11', `${tcp4}030004aabbccdd`)), found(35, '203.0.113.7'));
	const destination = `${'00'.repeat(15)}01`;
	assert.deepEqual(parseProxyHeader(v2('21', '21', `20010db8${'00'.repeat(11)}07${destination}dc0401bb`)), found(52, '2001:db8::7'));
	assert.deepEqual(parseProxyHeader(v2('21', '21', `${'00'.repeat(10)}ffffcb007107${destination}dc0401bb`)), found(52, '203.0.113.7'));
	assert.deepEqual(parseProxyHeader(v2('20', '00', '')), found(16), 'LOCAL: a health check of the proxy itself');
	assert.deepEqual(parseProxyHeader(v2('20', '11', tcp4)), found(28), 'LOCAL: addresses are to be ignored');
	assert.deepEqual(parseProxyHeader(v2('21', '31', 'ff'.repeat(216))), found(232), 'a Unix socket');
	assert.deepEqual(parseProxyHeader(v2('21', '12', tcp4)), found(28), 'UDP');
});

test('what is no header is refused with a reason, as early as it can be told', () => {
	const refused: [Buffer, string][] = [
		[Buffer.from('G'), 'no PROXY header'],
		[Buffer.from('PROXy'), 'no PROXY header'],
		[Buffer.from('\r\n\r\nX'), 'no PROXY header'],
		[Buffer.from(`PROXY TCP4 ${'1'.repeat(100)}`), 'version 1 line longer than 107 bytes'],
		[Buffer.from('PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n'), 'version 1 protocol must be TCP4, TCP6 or UNKNOWN'],
		[Buffer.from('PROXY TCP4 1.1.1.1 ::1 1 2\r\n'), 'version 1 address does not fit its protocol'],
		[Buffer.from('PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n'), 'version 1 address does not fit its protocol'],
		[Buffer.from('PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n'), 'version 1 address does not fit its protocol'],
		[Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n'), 'version 1 port is not a number from 0 to 65535'],
		[Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n'), 'version 1 port is not a number from 0 to 65535'],
		[Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n'), 'version 1 port is not a number from 0 to 65535'],
		[Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n'), 'version 1 port is not a number from 0 to 65535'],
		[v2('11', '11', '', 12), 'version 2 version or command is unknown'],
		[v2('22', '11', '', 12), 'version 2 version or command is unknown'],
		[v2('21', '41', '', 12), 'version 2 family or transport is unknown'],
		[v2('21', '13', '', 12), 'version 2 family or transport is unknown'],
		[v2('21', '11', '', 4097), 'version 2 header longer than 4 KiB'],
		[v2('21', '11', '', 11), 'version 2 addresses are cut short'],
		[v2('21', '21', '', 35), 'version 2 addresses are cut short'],
	];
	for (const [bytes, reason] of refused) {
		assert.deepEqual(parseProxyHeader(bytes), { kind: 'invalid', reason }, bytes.toString('latin1'));
	}
	assert.equal(parseProxyHeader(v2('21', '11', '', 4096)).kind, 'need-more');
});
