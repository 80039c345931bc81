/** What an operator may ask of a running pod: close a part of the connections, take it out of service and back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectClient, ECHO_APP, openSession, send } from '../support/clients.ts';
import { startPod } from '../support/pod.ts';
import { waitFor } from '../support/wait.ts';

const TOKEN = 'operator-test-token-0123';
const operator = { headers: { authorization: `Bearer ${TOKEN}` } };
const CLIENTS = 12;

test('rebalance and drain: so many connections as asked for, readiness follows, all is taken back', async (t) => {
	// The pod has no admin token: reading is open, closing connections still needs the fleet's key.
	const pod = await startPod(t, { app: ECHO_APP, options: { fleetKey: TOKEN } });
	const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connectClient(t, pod.url)));
	const isUp = async (): Promise<boolean> => (await send(`${pod.adminUrl}/readyz`)).status === 200;

	for (const headers of [{}, { authorization: 'Bearer wrong' }]) {
		for (const [method, path] of [
			['POST', '/drain?delayMs=0&spreadMs=0'],
			['DELETE', '/drain'],
			['POST', '/rebalance?connections=1&spreadMs=0'],
		]) {
			assert.equal((await send(`${pod.adminUrl}${path}`, { method, headers })).status, 401, `${method} ${path}`);
		}
	}
	const refused = await send(`${pod.adminUrl}/rebalance?connections=some&spreadMs=0`, { method: 'POST', ...operator });
	assert.equal(refused.status, 400);
	assert.match(refused.body, /connections must be a whole number/);
	assert.equal((await send(`${pod.adminUrl}/drain`, operator)).status, 405);

	const moved = await send(`${pod.adminUrl}/rebalance?connections=5&spreadMs=100`, { method: 'POST', ...operator });
	assert.deepEqual([moved.status, JSON.parse(moved.body)], [202, { closing: 5 }]);
	await waitFor('five connections to be closed', () => clients.filter(({ connected }) => !connected).length === 5);
	assert.equal(await pod.metric('socketfleet_shed_connections_total', { reason: 'rebalance' }), 5);
	assert.equal(await isUp(), true);

	// A long pace and no delay: readiness must fail before the last connection is closed.
	assert.equal((await send(`${pod.adminUrl}/drain?delayMs=0&spreadMs=500`, { method: 'POST', ...operator })).status, 202);
	assert.equal(await isUp(), false);
	assert.equal((await pod.status()).cordoned, true);
	await waitFor('every connection to be closed', async () => (await pod.status()).connections === 0);
	assert.equal(await pod.metric('socketfleet_shed_connections_total', { reason: 'drain' }), CLIENTS - 5);
	await openSession(pod.url);
	await waitFor('a late session to be closed too', async () => {
		return (await pod.metric('socketfleet_shed_connections_total', { reason: 'drain' })) === CLIENTS - 5 + 1;
	});

	assert.equal((await send(`${pod.adminUrl}/drain`, { method: 'DELETE', ...operator })).status, 200);
	assert.equal(await isUp(), true);
	const back = await connectClient(t, pod.url);
	assert.equal(back.connected, true);
	assert.deepEqual((await pod.status()).reasons, []);
});
