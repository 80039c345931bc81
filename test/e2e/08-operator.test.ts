/** The operator on a real cluster: its rights, what it refuses, and what only it can do, with clients that notice every message. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { conditionOf } from '../../src/fleet/pods.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { CommandFailed, type Kube } from '../support/kube.ts';
import type { Values } from '../support/kube-chart.ts';
import { waitFor } from '../support/wait.ts';
import { type Cluster, clusterTest } from './cluster.ts';
import { localhostOf, podsOf, reachableOnLocalhost, STATE_TIMEOUT, useNamespace } from './fleet.ts';
import { Crowd } from './ledger.ts';
import { type Load, underLoad } from './load.ts';
import {
	type FleetObject,
	fleetYaml,
	livePods,
	MOUNTED_APP,
	OPERATOR,
	SPEC,
	SYSTEM,
	settled,
	useMountedApp,
	useOperator,
} from './operator.ts';

const NAMESPACE = 'e2e-operator';
const FLEET = 'chat';
const CLIENTS = 120;
const LOAD: Load = { clients: CLIENTS, perSecond: 10 };
/** A third of the clients takes 8 s to leave a pod, and would take 3 without a budget. */
const SESSIONS_PER_SECOND = 5;
const BUDGETED: Values = { ...SPEC, ...MOUNTED_APP, rollout: { minReadySeconds: 3, maxSessionsPerSecond: SESSIONS_PER_SECOND } };
/** Of a client that is late to notice. */
const TOLERANCE_MS = 1000;

/** A fleet that is ready, behind Traefik. */
async function useSocketFleet(cluster: Cluster): Promise<Kube> {
	await useOperator(cluster);
	const kube = await useNamespace(cluster, NAMESPACE);
	await useMountedApp(kube);
	await kube.apply(fleetYaml(FLEET, BUDGETED));
	await settled(kube, FLEET, SPEC.replicas);
	await reachableOnLocalhost(cluster, kube, SPEC.replicas);
	return kube;
}

async function eventsOf(kube: Kube, reason: string): Promise<string[]> {
	// Of this fleet, not of one of its name in a run before.
	const uid = await kube.kubectl(['get', 'sfleet', FLEET, '-o', 'jsonpath={.metadata.uid}']);
	const selector = `involvedObject.uid=${uid},reason=${reason}`;
	const { items } = await kube.json<{ items: { message: string }[] }>(['get', 'events', '--field-selector', selector]);
	return items.map(({ message }) => message);
}

async function disturbed(t: TestContext, cluster: Cluster, disturb: (crowd: Crowd) => Promise<void>): Promise<void> {
	const crowd = new Crowd(localhostOf(cluster));
	const { reconnects } = await underLoad(t, crowd, LOAD, () => disturb(crowd));
	assert.ok(reconnects > 0);
}

function change(kube: Kube, spec: Values): Promise<string> {
	return kube.kubectl(['patch', 'sfleet', FLEET, '--type=merge', '-p', JSON.stringify({ spec })]);
}

/** As `False RolledBack`. */
async function progressOf(kube: Kube): Promise<string> {
	const condition = conditionOf(await kube.json<KubeObject>(['get', 'sfleet', FLEET]), 'Progressing');
	return `${condition?.status} ${condition?.reason}`;
}

clusterTest('operator: what it may do, and what not', async (_t, cluster) => {
	const system = await useOperator(cluster);
	const can = async (verb: string, resource: string, ...more: string[]): Promise<boolean> => {
		const as = `--as=system:serviceaccount:${SYSTEM}:${OPERATOR}`;
		const answer = await system.kubectl(['auth', 'can-i', verb, resource, as, ...more]).catch((error: unknown) => {
			assert.ok(error instanceof CommandFailed);
			return error.output;
		});
		return answer.trim().startsWith('yes');
	};
	for (const [verb, resource] of [
		['patch', 'deployments.apps'],
		['list', 'replicasets.apps'],
		['get', 'secrets'],
		['patch', 'socketfleets.socketfleet.dev/status'],
		['watch', 'pods'],
	] as const) {
		assert.equal(await can(verb, resource, '--all-namespaces'), true, `${verb} ${resource}`);
	}
	for (const [verb, resource] of [
		['list', 'secrets'],
		['patch', 'replicasets.apps'],
		['delete', 'pods'],
		['create', 'pods/exec'],
		['create', 'clusterroles.rbac.authorization.k8s.io'],
		['get', 'nodes'],
		['delete', 'socketfleets.socketfleet.dev'],
		['patch', 'customresourcedefinitions.apiextensions.k8s.io'],
	] as const) {
		assert.equal(await can(verb, resource, '--all-namespaces'), false, `${verb} ${resource}`);
	}
});

clusterTest('operator: specs that contradict themselves are refused with the field and what to do', async (_t, cluster) => {
	await useOperator(cluster);
	const kube = await useNamespace(cluster, NAMESPACE);
	const refusals: readonly (readonly [Values, RegExp])[] = [
		[{ redis: { source: 'none' } }, /spec\.replicas: .*redis\.source is none: several pods exchange messages through Redis/],
		[{ redis: { source: 'external' } }, /spec\.redis\.url: .*source is external: set url/],
		[{ config: { redisUrl: 'redis://x' } }, /redisUrl/],
		[{ config: { workers: 0 } }, /spec\.config\.workers: .*from 1 to 64, or auto/],
		[{ ingress: { controller: 'alb', affinity: { mode: 'source' } } }, /spec\.ingress\.affinity\.mode: .*no affinity by source address/],
		[{ rebalance: { enabled: true }, ingress: { enabled: true, controller: 'traefik' } }, /spec\.rebalance\.enabled: .*would move nobody/],
		[{ rollout: { maxSurge: 3 } }, /spec\.rollout\.paced: .*needs maxSurge 1/],
		[{ rollout: { paced: false, maxSessionsPerSecond: 5 } }, /spec\.rollout\.maxSessionsPerSecond: .*set paced to true/],
		[{ rollout: { onFailure: 'rollBack' }, app: { files: { 'a.js': '' } } }, /spec\.rollout\.onFailure: .*app\.files are not in it/],
		[{ autoscaling: { enabled: true, minReplicas: 5, maxReplicas: 2 } }, /minReplicas is above maxReplicas/],
	];
	for (const [spec, message] of refusals) {
		await assert.rejects(kube.apply(fleetYaml('wrong', spec), ['--dry-run=server']), (error) => {
			assert.ok(error instanceof CommandFailed);
			assert.match(error.output, message);
			return true;
		});
	}
	await assert.rejects(kube.apply(fleetYaml('9-is-no-letter', {}), ['--dry-run=server']), /must start with a letter/);
});

clusterTest(
	'operator: scale-down under load takes the emptiest pods, though the leader dies in the middle; nothing lost or repeated',
	async (t, cluster) => {
		const kube = await useSocketFleet(cluster);
		const system = cluster.kube(SYSTEM);
		await disturbed(t, cluster, async () => {
			await kube.kubectl(['scale', 'sfleet', FLEET, '--replicas=1']);
			await waitFor('the first pod to drain', async () => (await eventsOf(kube, 'PodDraining')).length > 0, STATE_TIMEOUT);
			const holder = await system.kubectl(['get', 'lease', OPERATOR, '-o', 'jsonpath={.spec.holderIdentity}']);
			await system.kubectl(['delete', 'pod', holder.split('_')[0] ?? '', '--force', '--grace-period=0']);
			await settled(kube, FLEET, 1);
		});
		assert.deepEqual(await eventsOf(kube, 'DrainOverdue'), []);
		assert.equal((await eventsOf(kube, 'PodDrained')).length, 2);
		// A Deployment that went down before its pods were empty would have had them terminate with clients.
		assert.match((await eventsOf(kube, 'PodDraining')).join('\n'), /Draining pod .* to scale down to 1 \(\d+ connections, the fewest\)/);
		await kube.kubectl(['scale', 'sfleet', FLEET, '--replicas=3']);
		await settled(kube, FLEET, 3);
	},
);

clusterTest('operator: a change of the spec is applied at once', async (t, cluster) => {
	const kube = await useSocketFleet(cluster);
	const stamp = String(Date.now());
	await change(kube, { service: { annotations: { stamp } } });
	const patchedAt = Date.now();
	await waitFor(
		'the Service to have it',
		async () => (await kube.kubectl(['get', 'service', FLEET, '-o', 'jsonpath={.metadata.annotations.stamp}'])) === stamp,
		{ ...STATE_TIMEOUT, everyMs: 50 },
	);
	t.diagnostic(`applied and seen ${Date.now() - patchedAt} ms after the change, of which one kubectl takes some`);
});

clusterTest(
	'operator: a roll-out replaces a pod only when the one before is gone, though the operator is upgraded in the middle; nothing lost or repeated',
	async (t, cluster) => {
		const kube = await useSocketFleet(cluster);
		const before = await podsOf(kube, FLEET);
		let mostLeaving = 0;
		await disturbed(t, cluster, async (crowd) => {
			await change(kube, { podAnnotations: { rolled: String(Date.now()) } });
			await waitFor('the first new pod', async () => (await livePods(kube, FLEET)).length > before.length, STATE_TIMEOUT);
			const areNew = waitFor(
				'every pod to be new',
				async () => {
					const pods = await livePods(kube, FLEET);
					mostLeaving = Math.max(mostLeaving, pods.filter((name) => name.startsWith('-')).length);
					const old = pods.filter((name) => before.some(({ metadata }) => name.endsWith(metadata.name)));
					return old.length === 0;
				},
				{ timeoutMs: 300_000, everyMs: 300 },
			);
			await Promise.all([useOperator(cluster, { podAnnotations: { upgraded: String(Date.now()) } }), areNew]);
			await settled(kube, FLEET, SPEC.replicas);
			for (const left of crowd.departures()) {
				const tookMs = (left.at(-1) ?? 0) - (left[0] ?? 0);
				t.diagnostic(`${left.length} clients left a pod within ${tookMs} ms`);
				assert.ok(tookMs >= ((left.length - 1) * 1000) / SESSIONS_PER_SECOND - TOLERANCE_MS, 'the budget of the fleet');
			}
		});
		assert.equal(mostLeaving, 1, 'pods that left at once');
		assert.deepEqual(await eventsOf(kube, 'DrainOverdue'), [], 'each was empty before it went');
	},
);

clusterTest(
	'operator: a version that crashes is stopped before a second pod goes, and is taken back when that is asked for; nothing lost or repeated',
	async (t, cluster) => {
		const kube = await useSocketFleet(cluster);
		const before = (await podsOf(kube, FLEET)).map(({ metadata }) => metadata.name);
		await disturbed(t, cluster, async () => {
			await change(kube, { extraEnv: [{ name: 'FAULT', value: 'crash' }] });
			const progressing = (wanted: string) => async (): Promise<boolean> => (await progressOf(kube)) === wanted;
			await waitFor('the roll-out to be stopped', progressing('False RolloutStopped'), STATE_TIMEOUT);
			const [why = ''] = await eventsOf(kube, 'RolloutStopped');
			t.diagnostic(why);
			assert.match(why, /workers of the new pods died \d+ times/);
			const left = await livePods(kube, FLEET);
			assert.ok(before.filter((name) => left.includes(name)).length >= SPEC.replicas - 1, left.join());

			await change(kube, { rollout: { onFailure: 'rollBack' } });
			await waitFor('the roll-out to be taken back', progressing('False RolledBack'), STATE_TIMEOUT);
			await settled(kube, FLEET, SPEC.replicas);
		});
		assert.equal((await eventsOf(kube, 'RolloutRolledBack')).length, 1);
		const pods = await podsOf(kube, FLEET);
		assert.doesNotMatch(JSON.stringify(pods.map(({ spec }) => spec)), /crash/);
		await change(kube, { extraEnv: [], rollout: { onFailure: 'stop' } });
		await settled(kube, FLEET, SPEC.replicas);
		const after = (await podsOf(kube, FLEET)).map(({ metadata }) => metadata.name);
		assert.deepEqual(after.toSorted(), pods.map(({ metadata }) => metadata.name).toSorted(), 'what the pods have already replaces none');
	},
);

clusterTest(
	'operator: an autoscaler of the SocketFleet adds a pod, rebalance fills it within its budget, and another drains when the load is over; nothing lost or repeated',
	async (t, cluster) => {
		const kube = await useSocketFleet(cluster);
		const percentPerMinute = 30;
		const rebalance = { enabled: true, maxPercentPerMinute: percentPerMinute, minConnections: CLIENTS / 2 };
		// With a target of one percent the pods are always above it, with a thousand always below.
		const scaledOn = (targetCpuPercent: number): Values => ({
			...BUDGETED,
			rebalance,
			autoscaling: {
				enabled: true,
				minReplicas: SPEC.replicas,
				maxReplicas: SPEC.replicas + 1,
				targetCpuPercent,
				scaleDownWindowSeconds: 0,
			},
		});
		const progress = async () => (await kube.json<FleetObject>(['get', 'sfleet', FLEET])).status?.rebalance;
		await disturbed(t, cluster, async () => {
			// Three pods with a third of the clients each, and one with none: the fullest has 133 % of the mean.
			await kube.apply(fleetYaml(FLEET, scaledOn(1)));
			const even = await waitFor(
				'the fullest pod to have no more than 1.3 times the mean',
				async () => {
					const seen = await progress();
					return seen && seen.movedConnections > 0 && (seen.fullestPercent ?? 1000) <= 130 ? seen : undefined;
				},
				{ ...STATE_TIMEOUT, timeoutMs: 300_000 },
			);
			t.diagnostic(JSON.stringify(even));
			await change(kube, { autoscaling: { targetCpuPercent: 1000 } });
			await waitFor('the autoscaler to ask for less', async () => (await wantedReplicas(kube)) === SPEC.replicas, {
				...STATE_TIMEOUT,
				timeoutMs: 300_000,
			});
			await settled(kube, FLEET, SPEC.replicas);
		});
		const [first = ''] = await eventsOf(kube, 'Rebalance');
		const moved = [...first.matchAll(/(\d+) of pod/g)].reduce((sum, [, count]) => sum + Number(count), 0);
		assert.ok(moved > 0 && moved <= (CLIENTS + 1) * (percentPerMinute / 100), first);
		assert.deepEqual(await eventsOf(kube, 'DrainOverdue'), []);
	},
);

async function wantedReplicas(kube: Kube): Promise<number> {
	return Number(await kube.kubectl(['get', 'sfleet', FLEET, '-o', 'jsonpath={.spec.replicas}']));
}

clusterTest('operator: a fleet that is deleted leaves nothing behind', async (_t, cluster) => {
	const kube = await useSocketFleet(cluster);
	await kube.kubectl(['delete', 'sfleet', FLEET, '--timeout=120s']);
	const kinds = 'all,secrets,configmaps,serviceaccounts,ingresses,networkpolicies,poddisruptionbudgets';
	await waitFor(
		'nothing to be left',
		async () => (await kube.kubectl(['get', kinds, '-l', `app.kubernetes.io/instance=${FLEET}`, '-o', 'name'])) === '',
		STATE_TIMEOUT,
	);
	await cluster.kube(SYSTEM).helm(['uninstall', OPERATOR, '--wait', '--timeout', '120s']);
	assert.match(await kube.kubectl(['get', 'crd', 'socketfleets.socketfleet.dev', '-o', 'name']), /socketfleets/, 'the definition is kept');
});
