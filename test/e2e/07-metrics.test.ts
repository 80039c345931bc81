import assert from 'node:assert/strict';
import { waitFor } from '../support/wait.ts';
import { connected, createClient } from './clients.ts';
import { clusterTest } from './cluster.ts';
import { podsOf, SHARED_NAMESPACE, STATE_TIMEOUT, useFleet } from './fleet.ts';
import { Prometheus } from './prometheus.ts';

const CLIENTS = 30;
const MESSAGES = 20;
/** A Socket.IO namespace. */
const OWN_NAMESPACE = ', nsp="/"';

clusterTest('Prometheus scrapes every pod, and its counters add up to the count of the clients', async (t, cluster) => {
	const kube = await useFleet(cluster);
	const prometheus = new Prometheus(cluster);
	const pods = await podsOf(kube);
	const names = pods.map(({ metadata }) => metadata.name).join('|');
	const fleet = `namespace="${SHARED_NAMESPACE}", pod=~"${names}"`;
	const sum = (metric: string, labels = ''): Promise<number> => prometheus.query(`sum(${metric}{${fleet}${labels}})`);
	await waitFor('every pod to be scraped', async () => (await prometheus.query(`count(up{${fleet}} == 1)`)) === pods.length, STATE_TIMEOUT);
	const opened = await sum('socketfleet_sessions_opened_total');
	const receivedBefore = await sum('socketfleet_events_in_total', OWN_NAMESPACE);

	const sockets = await Promise.all(
		Array.from({ length: CLIENTS }, async (_each, index) => {
			const socket = createClient(cluster.url, index % 2 === 0 ? 'websocket' : 'polling', { cookies: true });
			t.after(() => socket.disconnect());
			await connected(socket);
			return socket;
		}),
	);
	let delivered = 0;
	for (const socket of sockets) {
		socket.on('message', () => delivered++);
		await socket.timeout(60_000).emitWithAck('join', 'counted');
	}
	for (let message = 0; message < MESSAGES; message++) {
		await sockets[message % sockets.length]?.timeout(60_000).emitWithAck('publish', 'counted', message);
	}
	await waitFor('the clients to have every message', () => delivered === CLIENTS * MESSAGES, STATE_TIMEOUT);

	const expectations: readonly (readonly [what: string, read: () => Promise<number>, expected: number])[] = [
		['sessions', async () => (await sum('socketfleet_sessions_opened_total')) - opened, CLIENTS],
		['WebSocket connections', () => sum('socketfleet_connections', ', transport="websocket"'), CLIENTS / 2],
		['polling connections', () => sum('socketfleet_connections', ', transport="polling"'), CLIENTS / 2],
		['events in', async () => (await sum('socketfleet_events_in_total', OWN_NAMESPACE)) - receivedBefore, CLIENTS + MESSAGES],
		['ready workers', () => sum('socketfleet_workers', ', state="ready"'), pods.length * 2],
		['Redis', () => prometheus.query(`min(socketfleet_redis_up{${fleet}})`), 1],
	];
	for (const [what, read, expected] of expectations) {
		await waitFor(`${what} to be ${expected} in Prometheus`, async () => (await read()) === expected, STATE_TIMEOUT);
	}
	assert.equal(delivered, CLIENTS * MESSAGES);
});
