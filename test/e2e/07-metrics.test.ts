import assert from 'node:assert/strict';
import { DASHBOARDS } from '../../scripts/dashboards/dashboards.ts';
import { grafanaExpr } from '../../scripts/dashboards/render.ts';
import { waitFor } from '../support/wait.ts';
import { connected, createClient } from './clients.ts';
import { clusterTest } from './cluster.ts';
import { podsOf, RELEASE, SHARED_NAMESPACE, STATE_TIMEOUT, useFleet } from './fleet.ts';
import { Prometheus } from './prometheus.ts';

const CLIENTS = 30;
const MESSAGES = 20;
/** A Socket.IO namespace. */
const OWN_NAMESPACE = ', nsp="/"';
/** Panels of readings that every fleet has; many counters begin with the first event of their kind. */
const ALWAYS = ['Connections', 'Pods that serve', 'Ready workers', 'Redis reachable', 'Connections by transport', 'Connections by pod'];

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

clusterTest("it answers the dashboards' queries, and those of readings that every fleet has give data", async (t, cluster) => {
	await useFleet(cluster);
	const prometheus = new Prometheus(cluster);
	const variables = { namespace: SHARED_NAMESPACE, fleet: RELEASE, pod: '.+', __rate_interval: '1m' };
	let asked = 0;
	let withData = 0;
	for (const dashboard of DASHBOARDS) {
		for (const panel of dashboard.rows.flatMap(({ panels }) => panels)) {
			for (const query of panel.queries) {
				const expr = Object.entries(variables).reduce(
					(text, [name, value]) => text.replaceAll(`$${name}`, value),
					grafanaExpr(query, dashboard),
				);
				const samples = await prometheus.count(expr);
				withData += samples > 0 ? 1 : 0;
				asked++;
				if (dashboard.id === 'socketfleet-fleet' && ALWAYS.includes(panel.title)) {
					assert.ok(samples > 0, `${dashboard.title}: ${panel.title} shows nothing: ${expr}`);
				}
			}
		}
	}
	t.diagnostic(`${withData} of ${asked} queries have data`);
});
