import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CommandFailed, type Kube } from '../support/kube.ts';
import { waitFor } from '../support/wait.ts';
import { connected, createClient } from './clients.ts';
import { type Cluster, clusterTest } from './cluster.ts';
import { allPodsOf, localhostOf, RELEASE, reachableOnLocalhost, SMALL, STATE_TIMEOUT, upgrade, useFleet, useNamespace } from './fleet.ts';

const PROGRAM = fileURLToPath(new URL('../../src/kubectl-socketfleet.ts', import.meta.url));
const CLIENTS = 12;
const SICK = 'sick';
/** Nothing tells the ingress's controller to keep clients on a pod; another's timeout is below the ping interval; the stream holds next to nothing. */
const SICK_VALUES = {
	...SMALL,
	replicas: 2,
	config: { workers: 1, publishTimeoutMs: 10_000, streamMaxEntries: 1000 },
	drain: { delaySeconds: 1, spreadSeconds: 1, marginSeconds: 1 },
	// The shared fleet takes every host but this one.
	ingress: {
		enabled: true,
		controller: 'none',
		className: 'traefik',
		hosts: ['localhost'],
		annotations: { 'nginx.ingress.kubernetes.io/proxy-read-timeout': '20' },
	},
};
/** The drain takes 3 s: one before the signal, two after it. */
const SHORT_GRACE = JSON.stringify({ spec: { template: { spec: { terminationGracePeriodSeconds: 2 } } } });

/** `kubectl socketfleet ...`, as kubectl finds it: a program of that name in the PATH. */
function usePlugin(t: TestContext, kube: Kube): (...args: string[]) => Promise<string> {
	const dir = mkdtempSync(join(tmpdir(), 'socketfleet-plugin-'));
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	writeFileSync(join(dir, 'kubectl-socketfleet'), `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`, { mode: 0o755 });
	const env = { PATH: `${dir}${delimiter}${process.env.PATH ?? ''}` };
	return (...args) => kube.plugin('socketfleet', args, { env });
}

/** What the doctor finds, notes left out, and its whole answer. It ends with an error when one was found. */
async function findingsOf(plugin: (...args: string[]) => Promise<string>, ...args: string[]): Promise<{ ids: string[]; text: string }> {
	const text = await plugin('doctor', ...args).catch((error: unknown) => {
		assert.ok(error instanceof CommandFailed && /exit 10/.test(error.message), String(error));
		return error.output;
	});
	return { ids: [...text.matchAll(/^(?:ERROR|WARNING) (\S+)$/gm)].map(([, id = '']) => id), text };
}

clusterTest('kubectl socketfleet: status, top, and a pod drained and taken back', async (t, cluster) => {
	const kube = await useFleet(cluster);
	// A roll-out is over before its last pod is gone.
	await waitFor('the pods of an earlier version to be gone', async () => (await allPodsOf(kube)).length === 3, STATE_TIMEOUT);
	const plugin = usePlugin(t, kube);
	const status = await plugin('status', RELEASE);
	t.diagnostic(status);
	assert.match(status, /^fleet fleet in namespace e2e, a Helm release, socketfleet \S+\n3 of 3 pods ready, \d+ connections, 6 workers\n/);
	const top = await plugin('top', RELEASE, '--once');
	t.diagnostic(top);
	assert.match(top, /: 3 of 3 pods answer, \d+ connections, /);

	const sockets = Array.from({ length: CLIENTS }, () => createClient(cluster.url, 'websocket', { reconnection: true }));
	t.after(() => sockets.map((socket) => socket.disconnect()));
	await Promise.all(sockets.map(connected));
	for (const socket of sockets) {
		socket.off('disconnect');
	}
	const name = await fullestPod(plugin);
	const drained = await plugin('drain', name);
	t.diagnostic(drained);
	assert.match(drained, /is out of service; its [1-9]\d* connections are closed within 8 s\n/);
	assert.match(drained, /is empty; it stays out of service until it is deleted/);
	await waitFor('every client to be back elsewhere', () => sockets.every((socket) => socket.connected), STATE_TIMEOUT);
	assert.deepEqual((await findingsOf(plugin, RELEASE, '--no-requests')).ids, ['out-of-service']);
	await plugin('drain', name, '--undo');
	await kube.kubectl(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s']);
});

async function fullestPod(plugin: (...args: string[]) => Promise<string>): Promise<string> {
	const { podList } = JSON.parse(await plugin('status', RELEASE, '-o', 'json')) as { podList: { name: string; connections: number }[] };
	return podList.toSorted((a, b) => b.connections - a.connections)[0]?.name ?? '';
}

clusterTest('kubectl socketfleet doctor: nothing is wrong with a fleet that is well', async (t, cluster) => {
	const plugin = usePlugin(t, await useFleet(cluster));
	const { ids, text } = await findingsOf(plugin, RELEASE, '--url', cluster.url);
	t.diagnostic(text);
	assert.deepEqual(ids, []);
});

clusterTest('kubectl socketfleet doctor: five planted faults are found', async (t, cluster) => {
	const kube = await useSickFleet(t, cluster);
	const plugin = usePlugin(t, kube);
	const url = localhostOf(cluster);
	const found = async (...wanted: string[]): Promise<void> => {
		const text = await waitFor(
			`the doctor to find ${wanted.join(', ')}`,
			async () => {
				const { ids, text: all } = await findingsOf(plugin, SICK, '--url', url);
				const missing = wanted.filter((id) => !ids.includes(id));
				if (missing.length > 0) {
					throw new Error(`missing: ${missing.join()}\n${all}`);
				}
				return all;
			},
			STATE_TIMEOUT,
		);
		t.diagnostic(text);
	};
	await found('affinity-missing', 'idle-timeout', 'grace-short', 'retention-short');
	await kube.kubectl(['scale', 'statefulset', `${SICK}-redis`, '--replicas=0']);
	await found('redis-away');
});

/** Two pods, and a stream that more messages have gone through than it may hold. */
async function useSickFleet(t: TestContext, cluster: Cluster): Promise<Kube> {
	const kube = await useNamespace(cluster, 'e2e-doctor');
	t.after(() => cluster.kube('default').kubectl(['delete', 'namespace', kube.namespace, '--timeout=120s']));
	await upgrade(kube, SICK, SICK_VALUES);
	await kube.kubectl(['patch', 'deployment', SICK, '-p', SHORT_GRACE]);
	await kube.rolledOut(`statefulset/${SICK}-redis`);
	await kube.rolledOut(`deployment/${SICK}`);
	// Of a Deployment kubectl takes the pod that has been ready the longest, also when it is about to end.
	await waitFor(
		'the pods of before the patch to be gone',
		async () => (await allPodsOf(kube, SICK)).length === SICK_VALUES.replicas,
		STATE_TIMEOUT,
	);
	await reachableOnLocalhost(cluster, kube, SICK_VALUES.replicas);
	await kube.exec(`deploy/${SICK}`, ['sh', '-c', 'seq 3000 | node /opt/socketfleet/dist/cli.js emit --stdin tick']);
	return kube;
}
