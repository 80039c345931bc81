import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Socket } from 'socket.io-client';
import { toYaml } from '../support/kube-chart.ts';
import { waitFor } from '../support/wait.ts';
import { connected, createClient } from './clients.ts';
import { type Cluster, clusterTest, IMAGE } from './cluster.ts';
import { podsOf, RELEASE, SHARED_NAMESPACE, STATE_TIMEOUT, useFleet } from './fleet.ts';

interface Member {
	readonly socket: Socket;
	readonly pod: string;
	readonly messages: unknown[];
}

/** One client on each pod. */
async function oneOnEachPod(t: TestContext, cluster: Cluster, pods: number): Promise<Member[]> {
	const members = new Map<string, Member>();
	await waitFor(
		`a client on each of ${pods} pods`,
		async () => {
			const socket = createClient(cluster.url, 'websocket');
			const { pod } = await connected(socket);
			socket.off('disconnect');
			if (members.has(pod)) {
				socket.disconnect();
			} else {
				const member = { socket, pod, messages: [] as unknown[] };
				socket.on('message', (message: unknown) => member.messages.push(message));
				t.after(() => socket.disconnect());
				members.set(pod, member);
			}
			return members.size === pods;
		},
		STATE_TIMEOUT,
	);
	return [...members.values()];
}

clusterTest('a room spans pods and nodes: broadcast, members, and an emit from a Job', async (t, cluster) => {
	const kube = await useFleet(cluster);
	const pods = await podsOf(kube);
	assert.ok(new Set(pods.map(({ spec }) => spec.nodeName)).size > 1, 'all pods are on one node');
	const members = await oneOnEachPod(t, cluster, pods.length);
	const [first, second, outsider] = members as [Member, Member, Member];
	for (const member of [first, second]) {
		await member.socket.timeout(30_000).emitWithAck('join', 'lobby');
	}
	await waitFor(
		'fetchSockets to see both members',
		async () => {
			const ids: string[] = await outsider.socket.timeout(30_000).emitWithAck('members', 'lobby');
			const expected = [first, second].map(({ socket }) => socket.id ?? '');
			return ids.length === expected.length && expected.every((id) => ids.includes(id));
		},
		STATE_TIMEOUT,
	);

	await outsider.socket.timeout(30_000).emitWithAck('publish', 'lobby', 'from a client');
	await hasArrived('from a client');

	await kube.apply(emitJob('from a job'));
	await kube.kubectl(['wait', '--for=condition=complete', 'job/emit', '--timeout=120s']);
	await kube.kubectl(['delete', 'job', 'emit']);
	await hasArrived('from a job');
	assert.deepEqual(outsider.messages, []);

	async function hasArrived(message: string): Promise<void> {
		await waitFor(`"${message}" on both pods`, () => [first, second].every(({ messages }) => messages.includes(message)), STATE_TIMEOUT);
	}
});

/** The command line of the image, with the Secrets of the release. */
function emitJob(message: string): string {
	const secret = (name: string, key: string): object => ({ valueFrom: { secretKeyRef: { name: `${RELEASE}-${name}`, key } } });
	return toYaml({
		apiVersion: 'batch/v1',
		kind: 'Job',
		metadata: { name: 'emit' },
		spec: {
			backoffLimit: 0,
			template: {
				spec: {
					restartPolicy: 'Never',
					securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
					containers: [
						{
							name: 'emit',
							image: IMAGE,
							imagePullPolicy: 'Never',
							args: ['emit', '--room', 'lobby', 'message', JSON.stringify(message)],
							securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
							env: [
								{ name: 'SOCKETFLEET_FLEET', value: `${SHARED_NAMESPACE}-${RELEASE}` },
								{ name: 'SOCKETFLEET_REDIS_URL', value: `redis://${RELEASE}-redis:6379` },
								{ name: 'SOCKETFLEET_REDIS_PASSWORD', ...secret('redis', 'redis-password') },
								{ name: 'SOCKETFLEET_FLEET_KEY', ...secret('fleet-key', 'current') },
							],
						},
					],
				},
			},
		},
	});
}
