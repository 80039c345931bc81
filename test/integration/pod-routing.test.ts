/** One pod: whatever worker a request reaches, and from wherever its client's address is read, it is answered by the right one. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { test } from 'node:test';
import type { Socket } from 'socket.io-client';
import { parseSessionId } from '../../src/net/session-id.ts';
import { ask, askWhere, connectClient, ECHO_APP, openSession, pollingUrl, send, TRANSPORTS } from '../support/clients.ts';
import { startPod } from '../support/pod.ts';
import { buildProxyV1, buildProxyV2, PreambleAgent } from '../support/proxy-client.ts';
import { waitFor } from '../support/wait.ts';

const BIG = randomBytes(300_000);

function slotOf(sessionId: string): number {
	return parseSessionId(sessionId)?.slot ?? -1;
}

/** A client that vanishes while the server holds its poll. */
async function leaveDuringPoll(url: string): Promise<void> {
	const target = pollingUrl(url, await openSession(url));
	await send(target, { method: 'POST' }, '40');
	await send(target);
	const poll = request(target, { agent: false });
	poll.on('error', () => undefined).end();
	await once(poll, 'finish');
	// Answered behind the poll, by the same owner.
	await send(target, { method: 'POST' }, '3');
	await send(target, { method: 'POST' }, '3');
	poll.destroy();
}

test('three workers, every request over another connection: all transports work, nobody is unknown, tunnels drain', async (t) => {
	const pod = await startPod(t, { app: ECHO_APP, options: { workers: 3 } });
	const clients: Socket[] = [];
	for (const transport of TRANSPORTS) {
		clients.push(...(await Promise.all(Array.from({ length: 10 }, () => connectClient(t, pod.url, { transport })))));
	}
	await Promise.all(
		clients.map(async (client) => {
			assert.equal(await ask(client, 'echo', 'text'), 'text');
			const [big, nested] = await Promise.all([
				ask<Buffer>(client, 'echo', BIG),
				ask<{ bytes: Buffer }>(client, 'echo', { bytes: BIG.subarray(0, 1000) }),
			]);
			assert.ok(BIG.equals(big), 'a large binary message is byte-exact');
			assert.ok(BIG.subarray(0, 1000).equals(nested.bytes));
		}),
	);
	const places = await Promise.all(clients.map(askWhere));
	assert.deepEqual(new Set(places.map(({ worker }) => worker)).size, 3);
	for (const [index, { worker, address, transport }] of places.entries()) {
		assert.equal(slotOf(clients[index]?.io.engine.id ?? ''), worker, 'the session id says who owns it');
		assert.equal(address, '127.0.0.1');
		assert.equal(transport, index < 10 ? 'polling' : 'websocket');
	}

	const status = await pod.status();
	assert.equal(status.connections, clients.length);
	assert.ok(status.tunnels > 0, 'some of ten upgrades reached a worker that is not the owner');
	assert.equal(await pod.metric('socketfleet_tunnels'), status.tunnels);
	assert.ok((await pod.metric('socketfleet_forwarded_requests_total', { target: 'sibling', result: 'ok' })) > 50);
	assert.equal(await pod.metric('socketfleet_unknown_sessions_total'), 0);

	await Promise.all(Array.from({ length: 8 }, () => leaveDuringPoll(pod.url)));
	await waitFor('those who left to be gone', async () => (await pod.status()).connections === clients.length);
	assert.equal(await pod.metric('socketfleet_forwarded_requests_total', { result: 'error' }), 0, 'a client that leaves is no failure');
	assert.equal(await pod.metric('socketfleet_unknown_sessions_total'), 0);

	// An idle connection of a browser or a proxy: nobody waits for it.
	const idle = new Agent({ keepAlive: true });
	t.after(() => idle.destroy());
	await send(pod.url, { agent: idle });
	const reasons: string[] = [];
	for (const client of clients) {
		client.on('disconnect', (reason) => reasons.push(reason));
	}
	pod.kill('SIGTERM');
	assert.deepEqual(await pod.exited, { code: 0, signal: null });
	await waitFor('every client to notice', () => reasons.length === clients.length);
	assert.deepEqual(
		reasons.filter((reason) => reason !== 'transport close' && reason !== 'transport error'),
		[],
		'no client was told to stay away',
	);
	const closed = pod.logs().filter(({ msg }) => msg === 'worker drained');
	assert.equal(closed.length, 3);
	assert.ok(
		closed.every(({ terminated }) => terminated === 0),
		JSON.stringify(closed),
	);
});

test('x-forwarded-for: placed and named by the header of trusted peers only; bodies survive the hand-over', async (t) => {
	const trustedProxies = '127.0.0.1/32,10.0.0.0/8';
	const pod = await startPod(t, { app: ECHO_APP, options: { workers: 4, addressSource: 'x-forwarded-for', trustedProxies } });
	const handshake = (forwardedFor: string) => openSession(pod.url, { headers: { 'x-forwarded-for': forwardedFor } });

	const bySlot = [0, 0, 0, 0];
	for (let index = 0; index < 400; index++) {
		const slot = slotOf(await handshake(`203.0.${index % 100}.${index % 251}`));
		bySlot[slot] = (bySlot[slot] ?? 0) + 1;
	}
	assert.ok(
		bySlot.every((count) => count > 60 && count < 140),
		`400 addresses spread over 4 workers: ${bySlot.join('/')}`,
	);
	const same = await Promise.all(['203.0.113.7', '203.0.113.7', '6.6.6.6, 203.0.113.7, 10.1.2.3', '::ffff:203.0.113.7'].map(handshake));
	assert.equal(new Set(same.map(slotOf)).size, 1, 'one client, one worker, however it is written');

	const headers = { 'x-forwarded-for': '6.6.6.6, 203.0.113.7', 'x-socketfleet-client': '6.6.6.6' };
	for (const transport of TRANSPORTS) {
		const client = await connectClient(t, pod.url, { transport, headers });
		assert.equal((await askWhere(client)).address, '203.0.113.7');
		assert.ok(BIG.equals(await ask<Buffer>(client, 'echo', BIG)));
	}
	const untrusted = new Agent({ keepAlive: false, localAddress: '127.0.0.2' });
	assert.equal((await askWhere(await connectClient(t, pod.url, { agent: untrusted, headers }))).address, '127.0.0.2');

	const expected = createHash('sha256').update(BIG).digest('hex');
	const posts = await Promise.all(Array.from({ length: 100 }, () => send(`${pod.url}/hash`, { method: 'POST', headers }, BIG)));
	assert.ok(posts.every(({ body }) => body === expected));
	assert.equal(await pod.metric('socketfleet_unknown_sessions_total'), 0);
	assert.equal(await pod.metric('socketfleet_forwarded_requests_total'), 0, 'fresh connections go straight to the owner of their session');

	// A proxy's pooled connection carries many clients: it is placed by its first request, the others are forwarded.
	const pooled = new Agent({ keepAlive: true, maxSockets: 1 });
	t.after(() => pooled.destroy());
	const first = await openSession(pod.url, { agent: pooled, headers });
	const addresses = Array.from({ length: 30 }, (_, index) => `198.51.100.${index}`);
	const sessions = await Promise.all(addresses.map(handshake));
	const elsewhere = sessions.filter((sid) => slotOf(sid) !== slotOf(first));
	for (const sid of elsewhere) {
		assert.equal((await send(pollingUrl(pod.url, sid), { agent: pooled, method: 'POST' }, '40')).status, 200);
	}
	assert.equal(await pod.metric('socketfleet_forwarded_requests_total', { target: 'sibling', result: 'ok' }), elsewhere.length);
	assert.ok(elsewhere.length > 0);
});

for (const placement of ['ip-hash', 'kernel'] as const) {
	test(`PROXY headers under ${placement}: versions 1 and 2, both families, all transports`, async (t) => {
		const pod = await startPod(t, { app: ECHO_APP, options: { workers: 3, addressSource: 'proxy-protocol', placement } });
		const cases: readonly [Buffer, string][] = [
			[buildProxyV1({ address: '203.0.113.7', port: 1111 }), '203.0.113.7'],
			[buildProxyV1({ address: '2001:DB8::7', port: 1111 }), '2001:db8::7'],
			[buildProxyV2({ address: '203.0.113.8', port: 2222 }), '203.0.113.8'],
			[buildProxyV2({ address: '2001:db8:0:0:0:0:0:8', port: 2222 }), '2001:db8::8'],
			[buildProxyV2({ address: '0:0:0:0:0:ffff:cb00:7109', port: 2222 }), '203.0.113.9'],
			[Buffer.from('PROXY UNKNOWN\r\n'), '127.0.0.1'],
		];
		for (const transport of TRANSPORTS) {
			const places = await Promise.all(
				cases.map(async ([preamble]) => {
					const client = await connectClient(t, pod.url, { transport, agent: new PreambleAgent(preamble) });
					assert.ok(BIG.equals(await ask<Buffer>(client, 'echo', BIG)));
					return (await askWhere(client)).address;
				}),
			);
			assert.deepEqual(
				places,
				cases.map(([, address]) => address),
			);
		}
		assert.equal(await pod.metric('socketfleet_unknown_sessions_total'), 0);
		assert.equal(await pod.metric('socketfleet_rejected_connections_total'), 0);
		pod.kill('SIGTERM');
		assert.deepEqual(await pod.exited, { code: 0, signal: null });
	});
}
