import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Kube } from '../support/kube.ts';
import type { Values } from '../support/kube-chart.ts';
import { waitFor } from '../support/wait.ts';
import { type Outcome, runSessions } from './clients.ts';
import { type Cluster, clusterTest } from './cluster.ts';
import { BEHIND_TRAEFIK, fleetMetric, podsOf, SMALL, STATE_TIMEOUT, useFleet } from './fleet.ts';

/** Sessions for each of polling, upgrade and WebSocket. */
const PER_WAY = 100;

const WITHOUT_AFFINITY: Values = { ...SMALL, ingress: { enabled: true, controller: 'none' } };
const BY_HTTP_ROUTE: Values = {
	...SMALL,
	ingress: { controller: 'traefik' },
	httpRoute: { enabled: true, parentRefs: [{ name: 'public', namespace: 'traefik' }] },
};

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

async function countSessions(t: TestContext, cluster: Cluster, kube: Kube, cookies: boolean): Promise<Counted> {
	const read = async (): Promise<[number, number]> => [
		await sumOf(MISROUTED, (reason) => fleetMetric(kube, 'socketfleet_unknown_sessions_total', { reason })),
		await fleetMetric(kube, 'socketfleet_forwarded_requests_total', { target: 'pod', result: 'ok' }),
	];
	const [unknownBefore, forwardedBefore] = await read();
	const outcome = await runSessions(cluster.url, PER_WAY, { cookies });
	const [unknown, forwarded] = await read();
	const counted = { ...outcome, unknown: unknown - unknownBefore, forwarded: forwarded - forwardedBefore };
	t.diagnostic(
		`${counted.sessions} sessions, ${counted.failures.length} failed, ${counted.unknown} unknown, ${counted.forwarded} forwarded between pods`,
	);
	assert.deepEqual(counted.failures, []);
	assert.equal(counted.unknown, 0);
	return counted;
}

clusterTest('Traefik with its cookie: sessions stay where they are', async (t, cluster) => {
	const kube = await useFleet(cluster, BEHIND_TRAEFIK);
	await waitFor('Traefik to set its cookie', async () => (await fetch(cluster.url)).headers.has('set-cookie'), STATE_TIMEOUT);
	const { places, forwarded } = await countSessions(t, cluster, kube, true);
	assert.equal(places.size, (await podsOf(kube)).length);
	assert.equal(forwarded, 0);
});

clusterTest('Traefik with its cookie, clients that keep none: requests are forwarded', async (t, cluster) => {
	const kube = await useFleet(cluster, BEHIND_TRAEFIK);
	const { forwarded } = await countSessions(t, cluster, kube, false);
	assert.ok(forwarded > 0);
});

clusterTest('the knob at none: requests are forwarded', async (t, cluster) => {
	const kube = await useFleet(cluster, WITHOUT_AFFINITY);
	const { forwarded } = await countSessions(t, cluster, kube, true);
	assert.ok(forwarded > 0);
});

clusterTest('an HTTPRoute: requests are forwarded', async (t, cluster) => {
	const kube = await useFleet(cluster, BY_HTTP_ROUTE);
	const { forwarded } = await countSessions(t, cluster, kube, true);
	assert.ok(forwarded > 0);
});
