/** Autoscaling with no Prometheus: the operator serves `custom.metrics.k8s.io`, a fleet follows its connections, nothing is lost. */
import assert from 'node:assert/strict';
import { CommandFailed, type Kube } from '../support/kube.ts';
import { secondsSince, waitFor } from '../support/wait.ts';
import { type Cluster, clusterTest } from './cluster.ts';
import { localhostOf, reachableOnLocalhost, STATE_TIMEOUT, useNamespace } from './fleet.ts';
import { Crowd } from './ledger.ts';
import { assertNothingLost, burn } from './load.ts';
import { fleetYaml, installOperator, livePods, OPERATOR, SPEC, SYSTEM, settled, useOperator } from './operator.ts';

const NAMESPACE = 'e2e-custom-metrics';
const FLEET = 'growing';
const API_SERVICE = 'v1beta2.custom.metrics.k8s.io';
const ROOT = '/apis/custom.metrics.k8s.io/v1beta2';
const CUSTOM_METRICS = { customMetrics: { enabled: true } };
const TARGET = 30;
const MOST_PODS = 3;
/** With the one that publishes and a few that come later they need one pod; with the visitors three. */
const REGULARS = 8;
const MORE_REGULARS = 4;
const VISITORS = 64;
const MESSAGES_PER_SECOND = 5;

const SPEC_SCALED = {
	...SPEC,
	replicas: 1,
	// The autoscaler removes one pod in the time of a drain.
	drain: { delaySeconds: 5, spreadSeconds: 3, marginSeconds: 15 },
	rollout: { minReadySeconds: 2 },
	autoscaling: {
		enabled: true,
		minReplicas: 1,
		maxReplicas: MOST_PODS,
		targetCpuPercent: 0,
		targetConnections: TARGET,
		scaleDownWindowSeconds: 0,
	},
};

async function isAvailable(kube: Kube): Promise<boolean> {
	const { status } = await kube.json<{ status?: { conditions?: { type: string; status: string }[] } }>(['get', 'apiservice', API_SERVICE]);
	return status?.conditions?.find(({ type }) => type === 'Available')?.status === 'True';
}

/** By pod. */
async function connectionsOf(kube: Kube): Promise<Map<string, number>> {
	const selector = `labelSelector=app.kubernetes.io%2Finstance%20in%20(${FLEET})`;
	const path = `${ROOT}/namespaces/${NAMESPACE}/pods/*/socketfleet_connections?${selector}`;
	const { items } = JSON.parse(await kube.kubectl(['get', '--raw', path])) as {
		items: { describedObject: { name: string }; value: string }[];
	};
	return new Map(items.map(({ describedObject, value }) => [describedObject.name, Number(value)]));
}

async function totalIs(kube: Kube, connections: number): Promise<void> {
	const total = async (): Promise<number> => [...(await connectionsOf(kube)).values()].reduce((sum, value) => sum + value, 0);
	await waitFor(`the pods to have ${connections} connections`, async () => (await total()) === connections, STATE_TIMEOUT);
}

async function useScaledFleet(cluster: Cluster): Promise<Kube> {
	const system = await useOperator(cluster, CUSTOM_METRICS);
	await waitFor('the API to be available', () => isAvailable(system), STATE_TIMEOUT);
	const kube = await useNamespace(cluster, NAMESPACE);
	await kube.apply(fleetYaml(FLEET, SPEC_SCALED));
	await settled(kube, FLEET, 1);
	await reachableOnLocalhost(cluster, kube);
	return kube;
}

clusterTest('custom metrics: another source is not taken over', async (_t, cluster) => {
	const system = await useNamespace(cluster, SYSTEM);
	// Another version of the API, served by nobody: the cluster's discovery is not held up.
	const spec = '{ group: custom.metrics.k8s.io, version: v1beta1, groupPriorityMinimum: 100, versionPriority: 100 }';
	const name = 'v1beta1.custom.metrics.k8s.io';
	await system.apply(`{ apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: { name: ${name} }, spec: ${spec} }`);
	try {
		await assert.rejects(installOperator(system, CUSTOM_METRICS, ['--dry-run=server']), (error) => {
			assert.ok(error instanceof CommandFailed);
			assert.match(error.output, /the APIService v1beta1\.custom\.metrics\.k8s\.io is there already .* one source of custom metrics/);
			return true;
		});
	} finally {
		await system.kubectl(['delete', 'apiservice', name]);
	}
	await installOperator(system, CUSTOM_METRICS, ['--dry-run=server']);
});

clusterTest(
	'custom metrics: a fleet grows with its connections and shrinks with them, its operators replaced in between',
	async (t, cluster) => {
		const kube = await useScaledFleet(cluster);
		const resources = JSON.parse(await kube.kubectl(['get', '--raw', ROOT])) as { resources: { name: string }[] };
		assert.ok(resources.resources.some(({ name }) => name === 'pods/socketfleet_connections'));
		await assert.rejects(
			kube.kubectl(['get', '--raw', `${ROOT}/namespaces/${NAMESPACE}/pods/*/nothing`]),
			/NotFound.*could not find the metric nothing/,
		);

		const [regulars, visitors] = [new Crowd(localhostOf(cluster)), new Crowd(localhostOf(cluster))];
		t.after(() => [regulars, visitors].map((crowd) => crowd.close()));
		await regulars.open(REGULARS);
		await regulars.publish(MESSAGES_PER_SECOND);
		await visitors.open(VISITORS);
		const startedAt = Date.now();
		const after = (): string => `${secondsSince(startedAt)} s`;
		await totalIs(kube, REGULARS + 1 + VISITORS);
		await settled(kube, FLEET, MOST_PODS);
		t.diagnostic(`${MOST_PODS} pods after ${after()}`);
		// On the new pods too, so that whichever goes has clients to lose.
		await regulars.open(MORE_REGULARS);
		await waitFor('every pod to have a regular', () => regulars.pods() === MOST_PODS || regulars.open(1).then(() => false), STATE_TIMEOUT);

		const system = cluster.kube(SYSTEM);
		const bundle = async (): Promise<string> => system.kubectl(['get', 'apiservice', API_SERVICE, '-o', 'jsonpath={.spec.caBundle}']);
		const before = await bundle();
		await useOperator(cluster, { ...CUSTOM_METRICS, podAnnotations: { restarted: String(startedAt) } });
		await waitFor('the API to be available again', () => isAvailable(system), STATE_TIMEOUT);
		assert.equal((await connectionsOf(kube)).size, MOST_PODS);
		assert.equal(await bundle(), before, 'the certificate outlives those who made it, and an upgrade of the release');

		visitors.close();
		await waitFor('one pod to be left', async () => (await livePods(kube, FLEET)).length === 1, { ...STATE_TIMEOUT, timeoutMs: 300_000 });
		t.diagnostic(`1 pod after ${after()}`);
		const sum = await regulars.settle();
		assertNothingLost(t, sum);
		assert.ok(sum.reconnects > 0);
		await totalIs(kube, sum.clients + 1);
	},
);

clusterTest('custom metrics: a fleet whose event loops are busy grows', async (t, cluster) => {
	const kube = await useScaledFleet(cluster);
	const autoscaling = { ...SPEC_SCALED.autoscaling, maxReplicas: 2, targetConnections: 0, targetEventLoopPercent: 40 };
	await kube.apply(fleetYaml(FLEET, { ...SPEC_SCALED, autoscaling }));
	const stopBurning = burn(t, localhostOf(cluster));
	const startedAt = Date.now();
	await settled(kube, FLEET, 2);
	t.diagnostic(`2 pods after ${secondsSince(startedAt)} s`);
	stopBurning();
});

clusterTest('custom metrics: they go with the operator, and leave the place to another source', async (_t, cluster) => {
	const kube = await useNamespace(cluster, NAMESPACE);
	await kube.kubectl(['delete', 'sfleet', FLEET, '--ignore-not-found', '--timeout=120s']);
	const system = cluster.kube(SYSTEM);
	await system.helm(['uninstall', OPERATOR, '--ignore-not-found', '--wait', '--timeout', '120s']);
	const left = async (): Promise<string> => {
		const found = [
			await system.kubectl(['get', 'apiservice', API_SERVICE, '--ignore-not-found', '-o', 'name']),
			await system.kubectl(['get', 'secret', `${OPERATOR}-metrics-tls`, '--ignore-not-found', '-o', 'name']),
		];
		return found.join('');
	};
	await waitFor('APIService and Secret to be gone', async () => (await left()) === '', STATE_TIMEOUT);
});
