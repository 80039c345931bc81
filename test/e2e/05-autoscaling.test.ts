import assert from 'node:assert/strict';
import type { Values } from '../support/kube-chart.ts';
import { waitFor } from '../support/wait.ts';
import { clusterTest } from './cluster.ts';
import { allPodsOf, BEHIND_TRAEFIK, RELEASE, readyReplicas, STATE_TIMEOUT, useFleet } from './fleet.ts';
import { Crowd } from './ledger.ts';
import { assertNothingLost, burn } from './load.ts';

const SCALED: Values = {
	...BEHIND_TRAEFIK,
	resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: null, memory: '512Mi' } },
	autoscaling: { enabled: true, minReplicas: 2, maxReplicas: 3, targetCpuPercent: 80, scaleDownWindowSeconds: 0 },
};
const CLIENTS = 60;
/** At a time, until the new pod has some: whichever pod goes later has clients to lose. */
const MORE = 15;
const MESSAGES_PER_SECOND = 5;

clusterTest('CPU makes the fleet grow, quiet makes it shrink, and nothing is lost on the way', async (t, cluster) => {
	const kube = await useFleet(cluster, SCALED);
	// The fleet comes with three pods; metrics have to exist before anything is decided.
	await waitFor('the autoscaler to shrink to two pods', async () => (await allPodsOf(kube)).length === 2, {
		...STATE_TIMEOUT,
		timeoutMs: 300_000,
	});
	const crowd = new Crowd(cluster.url);
	t.after(() => crowd.close());
	await crowd.open(CLIENTS);
	await crowd.publish(MESSAGES_PER_SECOND);

	const stopBurning = burn(t, cluster.url);
	await waitFor('a third pod that is ready', async () => (await readyReplicas(kube, `deployment/${RELEASE}`)) === 3, STATE_TIMEOUT);
	await waitFor('the third pod to have clients', () => crowd.open(MORE).then(() => crowd.pods() === 3), STATE_TIMEOUT);
	stopBurning();
	await waitFor('the third pod to be gone', async () => (await allPodsOf(kube)).length === 2, { ...STATE_TIMEOUT, timeoutMs: 300_000 });

	const sum = await crowd.settle();
	assertNothingLost(t, sum);
	assert.equal(crowd.connected(), sum.clients);
	assert.ok(sum.reconnects > 0);
});
