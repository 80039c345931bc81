/** The chart's autoscaler on connections, with the metrics from prometheus-adapter as the recipe configures it: clients come in a rush, and go. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Kube } from '../support/kube.ts';
import { toYaml, type Values } from '../support/kube-chart.ts';
import { secondsSince, waitFor } from '../support/wait.ts';
import { type Cluster, clusterTest } from './cluster.ts';
import { allPodsOf, deploy, localhostOf, reachableOnLocalhost, readyReplicas, SMALL, STATE_TIMEOUT, useNamespace } from './fleet.ts';
import { Crowd, type Sum } from './ledger.ts';
import { assertNothingLost } from './load.ts';
import { Prometheus } from './prometheus.ts';

const CONFIG = readFileSync(new URL('../../docs/recipes/prometheus-adapter/config.yaml', import.meta.url), 'utf8');
const ADAPTER = readFileSync(new URL('manifests/prometheus-adapter.yaml', import.meta.url), 'utf8');
const NAMESPACE = 'e2e-adapter';
const RELEASE = 'growing';
/** Connections of a pod. */
const TARGET = 350;
const MIN_PODS = 3;
const MAX_PODS = 5;
/** The pods that are there can hold the rush, at 1.4 times their target; the target asks for more. */
const CLIENTS = 1500;
const RAMP_SECONDS = 60;
/** Of those that come in a second this many stay; the others go when the fleet has grown. */
const STAY_PER_SECOND = 1;
/** To every client: what two cores carry beside a cluster. */
const MESSAGES_PER_SECOND = 1;
const MOST = 1.5 * TARGET;

const VALUES: Values = {
	...SMALL,
	replicas: MIN_PODS,
	config: { ...(SMALL.config as Values), workers: 1 },
	// The shared fleet takes every host but this one.
	ingress: { enabled: true, controller: 'traefik', hosts: ['localhost'] },
	autoscaling: {
		enabled: true,
		minReplicas: MIN_PODS,
		maxReplicas: MAX_PODS,
		targetCpuPercent: 0,
		targetConnections: TARGET,
		scaleDownWindowSeconds: 0,
	},
};

clusterTest(
	'a rush of clients adds pods before any is overfull, and its end removes them; nothing is lost or repeated',
	async (t, cluster) => {
		const kube = await useNamespace(cluster, NAMESPACE);
		t.after(() => kube.helm(['uninstall', RELEASE, '--ignore-not-found', '--wait', '--timeout', '120s']));
		await deploy(kube, RELEASE, VALUES);
		await useAdapter(t, cluster);
		await waitFor('the metrics of every pod', async () => (await connectionsOf(kube)).length === MIN_PODS, STATE_TIMEOUT);
		await reachableOnLocalhost(cluster, kube, MIN_PODS);
		const url = localhostOf(cluster);
		const [regulars, visitors] = [new Crowd(url), new Crowd(url)];
		t.after(() => [regulars, visitors].map((crowd) => crowd.close()));
		await regulars.publish(MESSAGES_PER_SECOND);

		const startedAt = Date.now();
		await ramp(regulars, visitors);
		t.diagnostic(`${CLIENTS} clients in ${secondsSince(startedAt)} s`);
		// Within a tenth of the target the autoscaler leaves it at that: four pods or five.
		await waitFor('the fleet to have grown', async () => (await readyReplicas(kube, `deployment/${RELEASE}`)) > MIN_PODS, STATE_TIMEOUT);
		t.diagnostic(`grown after ${secondsSince(startedAt)} s: ${(await connectionsOf(kube)).join(', ')} connections`);

		// Whichever pod goes has clients to lose.
		const grown = await readyReplicas(kube, `deployment/${RELEASE}`);
		await waitFor('each pod to have a regular', () => regulars.pods() >= grown || regulars.open(1).then(() => false), STATE_TIMEOUT);

		visitors.close();
		await waitFor('the fleet to have shrunk', async () => (await allPodsOf(kube, RELEASE)).length === MIN_PODS, STATE_TIMEOUT);
		t.diagnostic(`${MIN_PODS} pods after ${secondsSince(startedAt)} s`);

		const sum: Sum = await regulars.settle();
		assertNothingLost(t, sum);
		assert.equal(regulars.connected(), sum.clients);
		assert.ok(sum.reconnects > 0);
		await neverOverfull(t, cluster);
	},
);

/** Evenly over the time, as far as the machine keeps up. */
async function ramp(regulars: Crowd, visitors: Crowd): Promise<void> {
	const startedAt = Date.now();
	for (let second = 0; second < RAMP_SECONDS; second++) {
		await delay(Math.max(0, startedAt + second * 1000 - Date.now()));
		await Promise.all([regulars.open(STAY_PER_SECOND), visitors.open(CLIENTS / RAMP_SECONDS - STAY_PER_SECOND)]);
	}
}

/** A cluster has one provider of custom metrics: the operator of another file must have taken its own away, as this one does. */
async function useAdapter(t: TestContext, cluster: Cluster): Promise<void> {
	const system = cluster.kube('kube-system');
	const services = await system.kubectl(['get', 'apiservices', '-o', 'name']);
	assert.doesNotMatch(services, /custom\.metrics\.k8s\.io/, 'another provider of custom metrics is there');
	t.after(() => system.kubectl(['delete', '--ignore-not-found', '-f', '-'], { input: ADAPTER }));
	const config = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'prometheus-adapter' }, data: { 'config.yaml': CONFIG } };
	await system.apply(toYaml(config));
	t.after(() => system.kubectl(['delete', 'configmap', 'prometheus-adapter', '--ignore-not-found']));
	await system.apply(ADAPTER);
	await system.rolledOut('deployment/prometheus-adapter');
}

/** Of each pod, as the autoscaler is told. */
async function connectionsOf(kube: Kube): Promise<number[]> {
	const path = `/apis/custom.metrics.k8s.io/v1beta1/namespaces/${NAMESPACE}/pods/*/socketfleet_connections`;
	const { items } = JSON.parse(await kube.kubectl(['get', '--raw', path])) as { items: { value: string }[] };
	return items.map(({ value }) => Number(value));
}

/** As Prometheus has seen it every two seconds: no pod has had more than half again its target for half a minute. */
async function neverOverfull(t: TestContext, cluster: Cluster): Promise<void> {
	const prometheus = new Prometheus(cluster);
	const connections = `sum by (pod) (socketfleet_connections{namespace="${NAMESPACE}"})`;
	const most = await prometheus.query(`max(max_over_time(${connections}[10m:2s]))`);
	const overfullSeconds = (await prometheus.query(`max(count_over_time((${connections} > ${MOST})[10m:2s]))`)) * 2;
	t.diagnostic(`most connections of a pod: ${most}; above ${MOST} for ${overfullSeconds} s`);
	assert.ok(most > 0);
	assert.ok(overfullSeconds < 30, `above ${MOST} for ${overfullSeconds} s`);
}
