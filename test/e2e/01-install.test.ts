import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandFailed, type Kube } from '../support/kube.ts';
import { CHART, parseObjects, toYaml, type Values } from '../support/kube-chart.ts';
import { secondsSince, waitFor } from '../support/wait.ts';
import { runSession } from './clients.ts';
import { type Cluster, clusterTest, startFresh } from './cluster.ts';
import { askPod, BEHIND_TRAEFIK, ciValues, deploy, podsOf, reachable, SMALL, STATE_TIMEOUT, upgrade, useNamespace } from './fleet.ts';

startFresh();

const RELEASE = 'first';
const NAMESPACE = 'e2e-install';
/** Definitions that neither the rig nor a plain kind cluster has: those objects are checked as objects only. */
const ABSENT = /^(gateway\.envoyproxy\.io|networking\.gke\.io|cloud\.google\.com|networking\.istio\.io)\//;

clusterTest('every case of the chart and of k8s/ is taken by a real API server', async (t, cluster) => {
	const kube = await useNamespace(cluster, 'e2e-dry-run');
	const cases = readdirSync(join(CHART, 'ci'));
	const rendered = await Promise.all(
		cases.map(async (name) => [name, await kube.helm(['template', 'sf', CHART, '-f', ciValues(name), '--include-crds'])] as const),
	);
	const raw = ['quickstart', 'production', 'no-ingress'].map((name) => {
		const path = join(CHART, `../../k8s/${name}/socketfleet.yaml`);
		return [`k8s/${name}`, readFileSync(path, 'utf8')] as const;
	});
	for (const [name, text] of [...rendered, ...raw]) {
		const objects = parseObjects(text);
		const known = objects.filter(({ apiVersion }) => !ABSENT.test(apiVersion));
		for (const { kind, apiVersion } of objects.filter((object) => !known.includes(object))) {
			t.diagnostic(`${name}: no definition of ${kind} (${apiVersion}) here`);
		}
		await kube.apply(known.map((object) => toYaml(object)).join('---\n'), ['--dry-run=server']);
	}
});

clusterTest('install to first message, helm test, upgrade, key rotation, rollback, uninstall', async (t, cluster) => {
	const kube = await useNamespace(cluster, NAMESPACE);
	// A release that a failed run left would have its keys.
	await kube.helm(['uninstall', RELEASE, '--ignore-not-found', '--wait', '--timeout', '120s']);
	const startedAt = Date.now();
	await deploy(kube, RELEASE, BEHIND_TRAEFIK);
	await reachable(cluster.url);
	await runSession(cluster.url, 'upgrade', {});
	t.diagnostic(`install to first message: ${secondsSince(startedAt)} s`);

	t.diagnostic(`idle pod of two workers: ${await anonymousMiB(kube)} MiB of anonymous memory`);
	t.diagnostic(lastLine(await helmTest(kube)));

	await rotateKeys(kube);
	await kube.helm(['rollback', RELEASE, '1']);
	assert.deepEqual(await fleetKey(kube), firstKey);
	await kube.rolledOut(`deployment/${RELEASE}`);
	t.diagnostic(`after the rollback: ${lastLine(await helmTest(kube))}`);

	await kube.helm(['uninstall', RELEASE, '--wait', '--timeout', '120s']);
	const kinds = 'all,secrets,configmaps,serviceaccounts,ingresses,networkpolicies,poddisruptionbudgets,persistentvolumeclaims';
	await waitFor(
		'nothing to be left',
		async () => (await kube.kubectl(['get', kinds, '-l', `app.kubernetes.io/instance=${RELEASE}`, '-o', 'name'])) === '',
		STATE_TIMEOUT,
	);
});

/** For assert.rejects: what the command printed matches. */
function output(pattern: RegExp): (error: unknown) => boolean {
	return (error) => {
		assert.ok(error instanceof CommandFailed);
		assert.match(error.output, pattern);
		return true;
	};
}

function helmTest(kube: Kube, release = RELEASE): Promise<string> {
	return kube.helm(['test', release, '--logs', '--timeout', '150s'], { timeoutMs: 200_000 });
}

function lastLine(log: string): string {
	const passed = log.split('\n').find((line) => line.startsWith('PASSED'));
	assert.ok(passed, log);
	return passed;
}

/** Of the first pod's whole container, from its control group: version 1 or 2. */
async function anonymousMiB(kube: Kube): Promise<number> {
	const [pod] = await podsOf(kube, RELEASE);
	const script = 'cat /sys/fs/cgroup/memory.stat 2>/dev/null || cat /sys/fs/cgroup/memory/memory.stat';
	const stat = await kube.exec(pod?.metadata.name ?? '', ['sh', '-c', script]);
	return Math.round(Number(/^(?:anon|total_rss) (\d+)$/m.exec(stat)?.[1]) / 1024 / 1024);
}

interface Keys {
	readonly current: string;
	readonly previous: string;
}

let firstKey: Keys;

async function fleetKey(kube: Kube): Promise<Keys> {
	const { data } = await kube.json<{ data: Keys }>(['get', 'secret', `${RELEASE}-fleet-key`]);
	return data;
}

/** An upgrade keeps the key; rotation announces a new one, then uses it; a skipped step is refused. */
async function rotateKeys(kube: Kube): Promise<void> {
	firstKey = await fleetKey(kube);
	await upgrade(kube, RELEASE, { ...BEHIND_TRAEFIK, podAnnotations: { touched: 'yes' } });
	assert.deepEqual(await fleetKey(kube), firstKey);

	await upgrade(kube, RELEASE, { ...BEHIND_TRAEFIK, fleetKey: { rotation: 1 } });
	const announced = await fleetKey(kube);
	assert.equal(announced.current, firstKey.current);
	assert.notEqual(announced.previous, firstKey.previous);

	await upgrade(kube, RELEASE, { ...BEHIND_TRAEFIK, fleetKey: { rotation: 2 } });
	assert.deepEqual(await fleetKey(kube), { current: announced.previous, previous: announced.current });

	const skipped = upgrade(kube, RELEASE, { ...BEHIND_TRAEFIK, fleetKey: { rotation: 4 } });
	await assert.rejects(skipped, output(/fleetKey\.rotation is 4 and the cluster's is 2: raise it by one/));
}

clusterTest('what is wrong is said where an operator looks', async (_t, cluster) => {
	const kube = await useNamespace(cluster, 'e2e-wrong');
	const one = { ...SMALL, replicas: 1 };
	await deploy(kube, 'right', one);
	await saysNoFreePort(kube, one);
	const wrongPassword = { source: 'external', url: 'redis://:wrong@right-redis:6379' };
	await Promise.all([
		upgrade(kube, 'password', { ...one, redis: wrongPassword }),
		upgrade(kube, 'secret', { ...one, fleetKey: { existingSecret: 'not-there' } }),
		kube.helm(['install', 'throws', CHART, '-f', '-'], {
			input: toYaml({ ...one, app: { files: { 'app.js': 'export default () => { throw new Error("no database"); };' } } }),
		}),
	]);
	await Promise.all([saysWrongPassword(kube), saysMissingSecret(kube), saysThrowingApp(kube)]);
	await assert.rejects(helmTest(kube, 'password'), output(/FAILED: .*password/i));
	await removeNamespace(cluster, kube);
});

/** Two releases ask for the same port of every node. */
async function saysNoFreePort(kube: Kube, values: Values): Promise<void> {
	const taken = { ...values, redis: { source: 'none' }, service: { type: 'NodePort', nodePort: 31_380 } };
	await upgrade(kube, 'port', taken);
	await assert.rejects(upgrade(kube, 'ports', taken), output(/nodePort: Invalid value: 31380: provided port is already allocated/));
}

async function saysWrongPassword(kube: Kube): Promise<void> {
	await waitFor(
		'readiness to name the password',
		async () => {
			const [pod] = await podsOf(kube, 'password');
			return /password/i.test(await askPod(kube, pod?.metadata.name ?? '', '/readyz'));
		},
		STATE_TIMEOUT,
	);
}

async function saysMissingSecret(kube: Kube): Promise<void> {
	await waitFor(
		'the pod to name the Secret',
		async () => JSON.stringify((await podsOf(kube, 'secret'))[0]?.status).includes('secret \\"not-there\\" not found'),
		STATE_TIMEOUT,
	);
}

async function saysThrowingApp(kube: Kube): Promise<void> {
	await waitFor(
		'the log to name the error of the application',
		async () => {
			const [pod] = await podsOf(kube, 'throws');
			const log = await kube.kubectl(['logs', pod?.metadata.name ?? '', '--tail=50']);
			return log.includes('ERR_APP') && log.includes('no database');
		},
		STATE_TIMEOUT,
	);
}

async function removeNamespace(cluster: Cluster, kube: Kube): Promise<void> {
	await cluster.kube('default').kubectl(['delete', 'namespace', kube.namespace, '--wait=false']);
}
