import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Kube } from '../support/kube.ts';
import type { Values } from '../support/kube-chart.ts';
import { waitFor } from '../support/wait.ts';
import { type Cluster, clusterTest } from './cluster.ts';
import { allPodsOf, BEHIND_TRAEFIK, deploy, fleetMetric, podsOf, RELEASE, SMALL, STATE_TIMEOUT, useFleet, useNamespace } from './fleet.ts';
import { type ProxyName, startProxy } from './proxies.ts';
import { type Outcome, runSessions } from './sessions.ts';

/** Sessions for each of polling, upgrade and WebSocket. */
const PER_WAY = 2000;
/** Behind nginx and HAProxy: 2,000 in all. */
const PER_WAY_OF_OTHERS = 667;

const WITHOUT_AFFINITY: Values = { ...SMALL, ingress: { enabled: true, controller: 'none' } };
const BY_HTTP_ROUTE: Values = {
	...SMALL,
	ingress: { controller: 'traefik' },
	httpRoute: { enabled: true, parentRefs: [{ name: 'public', namespace: 'traefik' }] },
};
/** The recipe's HAProxy passes connections on whole and tells the address with the PROXY protocol. */
const BY_PROXY_PROTOCOL: Values = { ...SMALL, service: { proxyProtocol: true } };

/** All but `expired`: a poll that crosses the client's own close on the way is answered so, and nobody hears the answer. */
const MISROUTED = ['malformed', 'owner_gone', 'unknown_pod', 'forwarded'];

interface Counted extends Outcome {
	/** Answers "Session ID unknown" that routing is to blame for. */
	readonly unknown: number;
	/** Requests and upgrades that came to a pod that did not own the session. */
	readonly forwarded: number;
}

async function sumOf(reasons: readonly string[], read: (reason: string) => Promise<number>): Promise<number> {
	return (await Promise.all(reasons.map(read))).reduce((sum, count) => sum + count, 0);
}

async function countSessions(t: TestContext, kube: Kube, url: string, cookies: boolean, perWay = PER_WAY): Promise<Counted> {
	const read = async (): Promise<[number, number]> => [
		await sumOf(MISROUTED, (reason) => fleetMetric(kube, 'socketfleet_unknown_sessions_total', { reason })),
		await fleetMetric(kube, 'socketfleet_forwarded_requests_total', { target: 'pod', result: 'ok' }),
	];
	const [unknownBefore, forwardedBefore] = await read();
	const startedAt = performance.now();
	const outcome = await runSessions(url, perWay, cookies);
	const seconds = Math.round((performance.now() - startedAt) / 1000);
	const [unknown, forwarded] = await read();
	const counted = { ...outcome, unknown: unknown - unknownBefore, forwarded: forwarded - forwardedBefore };
	t.diagnostic(
		`${counted.sessions} sessions in ${seconds} s, ${counted.byStockClients} by stock clients: ` +
			`${counted.failures.length} failed, ${counted.unknown} unknown, ${counted.forwarded} forwarded between pods`,
	);
	assert.deepEqual(counted.failures.slice(0, 10), []);
	assert.equal(counted.unknown, 0);
	assert.equal(counted.places.size, (await podsOf(kube)).length);
	return counted;
}

/** Behind a proxy that binds nobody to a pod: each request and each connection may come to another one. */
async function countBehindProxy(t: TestContext, cluster: Cluster, name: ProxyName, kube: Kube): Promise<void> {
	const url = await startProxy(cluster, name, kube);
	const { forwarded } = await countSessions(t, kube, url, true, PER_WAY_OF_OTHERS);
	assert.ok(forwarded > 0);
}

clusterTest('Traefik with its cookie: sessions stay where they are', async (t, cluster) => {
	const kube = await useFleet(cluster, BEHIND_TRAEFIK);
	await waitFor('Traefik to set its cookie', async () => (await fetch(cluster.url)).headers.has('set-cookie'), STATE_TIMEOUT);
	const { forwarded } = await countSessions(t, kube, cluster.url, true);
	assert.equal(forwarded, 0);
});

clusterTest('Traefik with its cookie, clients that keep none: requests are forwarded', async (t, cluster) => {
	const kube = await useFleet(cluster, BEHIND_TRAEFIK);
	const { forwarded } = await countSessions(t, kube, cluster.url, false);
	assert.ok(forwarded > 0);
});

clusterTest('an HTTPRoute: requests are forwarded', async (t, cluster) => {
	const kube = await useFleet(cluster, BY_HTTP_ROUTE);
	const { forwarded } = await countSessions(t, kube, cluster.url, true);
	assert.ok(forwarded > 0);
});

clusterTest('the knob at none: requests are forwarded', async (t, cluster) => {
	const kube = await useFleet(cluster, WITHOUT_AFFINITY);
	const { forwarded } = await countSessions(t, kube, cluster.url, true);
	assert.ok(forwarded > 0);
});

clusterTest('nginx in place of Traefik: requests are forwarded', async (t, cluster) => {
	const kube = await useFleet(cluster, WITHOUT_AFFINITY);
	await waitFor('pods of other values to be gone', async () => (await allPodsOf(kube)).length === 3, STATE_TIMEOUT);
	await countBehindProxy(t, cluster, 'nginx', kube);
});

clusterTest('HAProxy with the PROXY protocol: requests are forwarded', async (t, cluster) => {
	// A fleet of its own: its pods refuse what comes without the header, as from Traefik.
	const kube = await useNamespace(cluster, 'e2e-haproxy');
	await deploy(kube, RELEASE, BY_PROXY_PROTOCOL);
	await countBehindProxy(t, cluster, 'haproxy', kube);
	await kube.helm(['uninstall', RELEASE]);
});
