import assert from 'node:assert/strict';
import { type Kube, run } from '../support/kube.ts';
import { waitFor } from '../support/wait.ts';
import { clusterTest, WORKER_NODES } from './cluster.ts';
import { allPodsOf, askPod, type PodObject, podsOf, RELEASE, readyReplicas, STATE_TIMEOUT, useFleet } from './fleet.ts';
import { Crowd } from './ledger.ts';
import { type Load, underLoad } from './load.ts';

/** 6,000 deliveries a second. */
const BUSY: Load = { clients: 300, perSecond: 20 };
const CROWDED: Load = { clients: 1000, perSecond: 2 };
/** A node is missed after 50 s, its pods are replaced 30 s later. */
const PATIENT = { timeoutMs: 300_000, everyMs: 500 };
const LIGHT: Load = { clients: 150, perSecond: 5 };

for (const load of [BUSY, CROWDED]) {
	const title = `a roll-out of three pods, ${load.clients} clients, ${load.perSecond} messages a second to each`;
	clusterTest(`${title}: every client comes back, nothing is lost or repeated`, async (t, cluster) => {
		const kube = await useFleet(cluster);
		const sum = await underLoad(t, new Crowd(cluster.url), load, async () => {
			await restart(kube);
			await waitFor('the old pods to be gone', async () => (await allPodsOf(kube)).length === 3, STATE_TIMEOUT);
		});
		// All three pods are new: every client has moved at least once.
		assert.ok(sum.reconnects >= load.clients);
	});
}

clusterTest('kill -9 of all processes of a pod: every client comes back, nothing is lost or repeated', async (t, cluster) => {
	const kube = await useFleet(cluster);
	const [pod] = await podsOf(kube);
	assert.ok(pod);
	const crowd = new Crowd(cluster.url);
	await underLoad(t, crowd, BUSY, async () => {
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
	const node = await nodeToLose(kube);
	t.after(() => kube.kubectl(['uncordon', node]));
	let fewest = 3;
	await underLoad(t, new Crowd(cluster.url), BUSY, async () => {
		let draining = true;
		const watch = (async () => {
			while (draining) {
				fewest = Math.min(fewest, await readyReplicas(kube, `deployment/${RELEASE}`));
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

clusterTest('docker kill of a node: pods move, every client comes back, nothing is lost or repeated', async (t, cluster) => {
	const kube = await useFleet(cluster);
	const node = await nodeToLose(kube);
	t.after(() => revive(kube, node));
	const crowd = new Crowd(cluster.url);
	const load = { ...LIGHT, publishOn: await idsElsewhere(kube, node) };
	const sum = await underLoad(t, crowd, load, async () => {
		await run('docker', ['kill', node]);
		await waitFor('three ready pods elsewhere', async () => (await readyElsewhere(kube, node)) === 3, PATIENT);
		await waitFor('every client to be back', () => crowd.connected() === LIGHT.clients, PATIENT);
	});
	assert.ok(sum.reconnects > 0);
	assert.equal(sum.refused, 0);
});

/** A worker node with pods of the fleet and without Redis; Traefik is on none. */
async function nodeToLose(kube: Kube): Promise<string> {
	const [redis] = await podsOf(kube, RELEASE, 'redis');
	const node = WORKER_NODES.find((name) => name !== redis?.spec.nodeName) ?? '';
	if (!(await podsOf(kube)).some(({ spec }) => spec.nodeName === node)) {
		await restart(kube);
	}
	return node;
}

async function revive(kube: Kube, node: string): Promise<void> {
	await run('docker', ['start', node]);
	await kube.kubectl(['wait', '--for=condition=Ready', `node/${node}`, '--timeout=240s'], { timeoutMs: 270_000 });
	await waitFor('the pods that the node had to be gone', async () => (await allPodsOf(kube)).length === 3, STATE_TIMEOUT);
	await kube.rolledOut(`deployment/${RELEASE}`);
}

/** Short ids, as clients are told them, of the pods that are not on this node. */
async function idsElsewhere(kube: Kube, node: string): Promise<ReadonlySet<string>> {
	const pods = (await podsOf(kube)).filter(({ spec }) => spec.nodeName !== node);
	const ids = pods.map(async ({ metadata }) => (JSON.parse(await askPod(kube, metadata.name, '/status')) as { pod: string }).pod);
	return new Set(await Promise.all(ids));
}

async function readyElsewhere(kube: Kube, node: string): Promise<number> {
	const pods = (await podsOf(kube)).filter(({ spec }) => spec.nodeName !== node);
	return pods.filter(({ status }) => status.containerStatuses?.every(({ ready }) => ready)).length;
}

async function restart(kube: Kube): Promise<void> {
	await kube.kubectl(['rollout', 'restart', `deployment/${RELEASE}`]);
	await kube.rolledOut(`deployment/${RELEASE}`);
}

/** The runtime's id of the container that runs now; empty while there is none. */
async function containerOf(kube: Kube, { metadata }: PodObject): Promise<string> {
	const running = '{.status.containerStatuses[?(@.state.running)].containerID}';
	return (await kube.kubectl(['get', 'pod', metadata.name, '-o', `jsonpath=${running}`])).replace('containerd://', '');
}
