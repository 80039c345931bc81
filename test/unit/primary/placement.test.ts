import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSilentLogger } from '../../../src/base/log.ts';
import { createMetrics } from '../../../src/metrics/registry.ts';
import { placementKey } from '../../../src/primary/accept.ts';
import { DominantPeer } from '../../../src/primary/dominant-peer.ts';

test('clients hash by address; loopback peers by address and port', () => {
	assert.equal(placementKey({ address: '203.0.113.7', port: 1 }), placementKey({ address: '203.0.113.7', port: 2 }));
	assert.equal(placementKey({ address: '2001:db8::1', port: 1 }), '2001:db8::1');
	assert.notEqual(placementKey({ address: '127.0.0.1', port: 1 }), placementKey({ address: '127.0.0.1', port: 2 }));
	assert.notEqual(placementKey({ address: '::1', port: 1 }), placementKey({ address: '::1', port: 2 }));
});

test('one peer that holds most connections is said once, and is a metric that goes away again', async (t) => {
	const log = createSilentLogger();
	const warn = t.mock.method(log, 'warn');
	const metrics = createMetrics();
	const peers = new DominantPeer(log, metrics);
	const gauge = async () => (await metrics.snapshot()).own.find(({ name }) => name === 'socketfleet_dominant_peer')?.samples[0]?.value;
	const arrive = (count: number, address: (index: number) => string | undefined) => {
		for (let index = 0; index < count; index++) {
			peers.note(address(index));
		}
	};

	arrive(5000, (index) => `203.0.${index % 7}.${index % 250}`);
	assert.equal(await gauge(), 0);
	arrive(500, (index) => (index % 10 === 0 ? `203.0.113.${index % 250}` : '::ffff:10.0.0.1'));
	assert.equal(await gauge(), 1);
	arrive(500, () => '10.0.0.1');
	assert.equal(warn.mock.callCount(), 1);
	const [fields] = (warn.mock.calls[0]?.arguments ?? []) as unknown as readonly [{ readonly peer: string }?];
	assert.equal(fields?.peer, '10.0.0.1');
	arrive(500, (index) => `203.0.113.${index % 250}`);
	assert.equal(await gauge(), 0);
	arrive(2000, (index) => (index % 2 === 0 ? '127.0.0.1' : undefined));
	assert.equal(await gauge(), 0, 'a developer on the same machine is no proxy');
});
