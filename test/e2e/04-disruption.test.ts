import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type Kube, run } from '../support/kube.ts';
import { waitFor } from '../support/wait.ts';
import { type Cluster, clusterTest, WORKER_NODES } from './cluster.ts';
import { allPodsOf, type PodObject, podsOf, RELEASE, STATE_TIMEOUT, useFleet } from './fleet.ts';
import { Crowd, type Sum } from './ledger.ts';

const CLIENTS = 300;
const MESSAGES_PER_SECOND = 10;

/** Clients and messages around what `disturb` does. At its end each client has to be back, with every message once. */
async function underLoad(t: TestContext, cluster: Cluster, disturb: (crowd: Crowd) => Promise<void>): Promise<Sum> {
	const crowd = new Crowd(cluster.url);
	t.after(() => crowd.close());
	await crowd.open(CLIENTS);
	await crowd.publish(MESSAGES_PER_SECOND);
	await disturb(crowd);
	const sum = await crowd.settle();
	t.diagnostic(JSON.stringify(sum));
	assert.equal(crowd.connected(), CLIENTS);
	assert.ok(sum.acknowledged > 0);
	assert.equal(sum.lost, 0);
	assert.equal(sum.repeated, 0);
	return sum;
}

clusterTest('a roll-out of three pods: every client comes back, nothing is lost or repeated', async (t, cluster) => {
	const kube = await useFleet(cluster);
	const sum = await underLoad(t, cluster, async () => {
		await restart(kube);
		await waitFor('the old pods to be gone', async () => (await allPodsOf(kube)).length === 3, STATE_TIMEOUT);
	});
	// All three pods are new: every client has moved at least once.
	assert.ok(sum.reconnects >= CLIENTS);
});

clusterTest('kill -9 of all processes of a pod: every client comes back, nothing is lost or repeated', async (t, cluster) => {
	const kube = await useFleet(cluster);
	const [pod] = await podsOf(kube);
	assert.ok(pod);
	await underLoad(t, cluster, async (crowd) => {
		const before = await containerOf(kube, pod);
		// The runtime kills all processes of a container with its first one.
		await run('docker', ['exec', pod.spec.nodeName, 'ctr', '--namespace', 'k8s.io', 'tasks', 'kill', '--signal', 'SIGKILL', before]);
		await waitFor('the container to be another', async () => ![before, ''].includes(await containerOf(kube, pod)), STATE_TIMEOUT);
		await waitFor('clients to have come back', () => crowd.reconnects() > 0, STATE_TIMEOUT);
	});
	await kube.rolledOut(`deployment/${RELEASE}`);
});

clusterTest('kubectl drain of a node: the budget holds, nothing is lost or repeated', async (t, cluster) => {
	const kube = await useFleet(cluster);
	const [redis] = await podsOf(kube, RELEASE, 'redis');
	const node = WORKER_NODES.find((name) => name !== redis?.spec.nodeName) ?? '';
	t.after(() => kube.kubectl(['uncordon', node]));
	if (!(await podsOf(kube)).some(({ spec }) => spec.nodeName === node)) {
		await restart(kube);
	}
	let fewest = 3;
	await underLoad(t, cluster, async () => {
		let draining = true;
		const watch = (async () => {
			while (draining) {
				fewest = Math.min(fewest, await readyPods(kube));
			}
		})();
		await kube.kubectl(['drain', node, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=170s']);
		draining = false;
		await watch;
		await kube.kubectl(['uncordon', node]);
		await kube.rolledOut(`deployment/${RELEASE}`);
	});
	t.diagnostic(`fewest ready pods: ${fewest}`);
	assert.ok(fewest >= 2);
});

async function restart(kube: Kube): Promise<void> {
	await kube.kubectl(['rollout', 'restart', `deployment/${RELEASE}`]);
	await kube.rolledOut(`deployment/${RELEASE}`);
}

async function readyPods(kube: Kube): Promise<number> {
	const { status } = await kube.json<{ status: { readyReplicas?: number } }>(['get', 'deployment', RELEASE]);
	return status.readyReplicas ?? 0;
}

/** The runtime's id of the container that runs now; empty while there is none. */
async function containerOf(kube: Kube, { metadata }: PodObject): Promise<string> {
	const running = '{.status.containerStatuses[?(@.state.running)].containerID}';
	return (await kube.kubectl(['get', 'pod', metadata.name, '-o', `jsonpath=${running}`])).replace('containerd://', '');
}
