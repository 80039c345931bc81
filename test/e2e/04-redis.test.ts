import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type Kube, run } from '../support/kube.ts';
import type { Values } from '../support/kube-chart.ts';
import { waitFor } from '../support/wait.ts';
import { type Cluster, clusterTest, WORKER_NODES } from './cluster.ts';
import { CONFIG, deploy, reachable, readyReplicas, SMALL, STATE_TIMEOUT, useNamespace } from './fleet.ts';
import { Crowd } from './ledger.ts';
import { type Load, underLoad } from './load.ts';

const RELEASE = 'kept';
const NAMESPACE = 'e2e-redis';
/** Other fleets of the suite take every other path. */
const PATH = '/kept';
const KEPT: Values = {
	...SMALL,
	ingress: { enabled: true, controller: 'traefik', path: PATH },
	config: { ...CONFIG, path: `${PATH}/socket.io/` },
	redis: {
		bundled: {
			resources: { requests: { cpu: '20m', memory: '32Mi' } },
			persistence: { enabled: true, storageClassName: 'e2e-local', size: '1Gi' },
		},
	},
};
const LOAD: Load = { clients: 100, perSecond: 10 };
/** Clients that are away from before the restart until after it. */
const AWAY = 20;
/** Clients that have to come back while there is no Redis. */
const CUT = 20;
const MESSAGES_MISSED = 20;

clusterTest('the pod of Redis is deleted: its volume has everything, nobody misses or repeats a message untold', async (t, cluster) => {
	const kube = await useNamespace(cluster, NAMESPACE);
	await uninstall(kube);
	await provideVolume(cluster);
	await deploy(kube, RELEASE, KEPT);
	await reachable(`${cluster.url}${PATH}`);
	const crowd = new Crowd(cluster.url, `${PATH}/socket.io/`);
	await underLoad(t, crowd, LOAD, async () => {
		await moreMessages(crowd);
		const comeBack = crowd.leave(AWAY);
		await moreMessages(crowd);
		const deleting = kube.kubectl(['delete', 'pod', `${RELEASE}-redis-0`]);
		await waitFor('Redis to be gone', async () => !(await redisIsReady(kube)), { ...STATE_TIMEOUT, everyMs: 200 });
		crowd.cut(CUT);
		await deleting;
		await waitFor('Redis to be back', () => redisIsReady(kube), STATE_TIMEOUT);
		await moreMessages(crowd);
		// Who they are and what they missed was written before the restart.
		assert.equal(await comeBack(), AWAY);
	});
	crowd.close();
	await uninstall(kube);
});

function moreMessages(crowd: Crowd): Promise<boolean> {
	const before = crowd.acknowledged();
	return waitFor('more messages', () => crowd.acknowledged() >= before + MESSAGES_MISSED, STATE_TIMEOUT);
}

async function redisIsReady(kube: Kube): Promise<boolean> {
	return (await readyReplicas(kube, `statefulset/${RELEASE}-redis`)) === 1;
}

/** Its claim goes with it. */
async function uninstall(kube: Kube): Promise<void> {
	await kube.helm(['uninstall', RELEASE, '--ignore-not-found', '--wait', '--timeout', '120s']);
}

/** A new volume over an empty folder. */
async function provideVolume(cluster: Cluster): Promise<void> {
	const kube = cluster.kube('default');
	await kube.kubectl(['delete', 'persistentvolume', 'e2e-redis', '--ignore-not-found']);
	const folder = '/var/lib/e2e-redis';
	await run('docker', ['exec', WORKER_NODES[0] ?? '', 'sh', '-c', `rm -rf ${folder} && mkdir ${folder}`]);
	await kube.apply(readFileSync(new URL('manifests/volume.yaml', import.meta.url), 'utf8'));
}
