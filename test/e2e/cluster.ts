/**
 * The kind cluster `sf` that all files of the suite share: made by whichever file comes first, deleted by the last one.
 * With KEEP_CLUSTER set it stays, and the next run takes it over. KIND_NODE_IMAGE and RIG_CRDS are honoured when they are set.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../src/base/errors.ts';
import { Kube, run } from '../support/kube.ts';

export const NAME = 'sf';
export const IMAGE = 'ghcr.io/socketfleet/socketfleet:e2e';
export const CONTROL_PLANE = `${NAME}-control-plane`;
export const WORKER_NODES = [`${NAME}-worker`, `${NAME}-worker2`];
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const EVIDENCE = join(ROOT, '.cache/e2e');
const KUBECONFIG = join(tmpdir(), `socketfleet-e2e-${NAME}.kubeconfig`);
const TRAEFIK_HOST_PORT = 30080;
/** Host ports of the control plane's node, as in kind.yaml. */
export const PROXY_HOST_PORTS = { nginx: 30081, haproxy: 30082 };
/** Deployment, and file in manifests/ -> namespace. */
const SERVICES = { traefik: 'traefik', prometheus: 'prometheus', 'metrics-server': 'kube-system' };
/** Where the definitions come from when RIG_CRDS does not name a folder. */
const PUBLIC_CRDS = [
	'https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.5.0/standard-install.yaml',
	'https://github.com/prometheus-operator/prometheus-operator/releases/download/v0.92.0/stripped-down-crds.yaml',
];

export interface Cluster {
	kube(namespace: string): Kube;
	/** Traefik's web entry point, from this machine. */
	readonly url: string;
	/** The same of what listens on another host port of the control plane's node. */
	urlOf(hostPort: number): Promise<string>;
}

/** The cluster with the image on its nodes, and Traefik, metrics-server and Prometheus running. */
export async function useCluster(options: { fresh: boolean } = { fresh: false }): Promise<Cluster> {
	// Started now, used when the cluster is there.
	const image = buildImage();
	image.catch(() => undefined);
	const exists = (await run('kind', ['get', 'clusters'])).split('\n').includes(NAME);
	if (exists && options.fresh) {
		await deleteCluster();
	}
	if (!exists || options.fresh) {
		await createCluster();
	}
	await run('kind', ['export', 'kubeconfig', '--name', NAME, '--kubeconfig', KUBECONFIG]);
	const kube = (namespace: string): Kube => new Kube(KUBECONFIG, namespace);
	await prepare(kube('kube-system'), image);
	return { kube, url: await urlOf(TRAEFIK_HOST_PORT), urlOf };
}

async function urlOf(hostPort: number): Promise<string> {
	const addresses = await run('docker', ['port', CONTROL_PLANE, `${hostPort}/tcp`]);
	return `http://${addresses.split('\n')[0]?.trim()}`;
}

export async function deleteCluster(): Promise<void> {
	await run('kind', ['delete', 'cluster', '--name', NAME, '--kubeconfig', KUBECONFIG]);
}

async function createCluster(): Promise<void> {
	const image = process.env.KIND_NODE_IMAGE;
	const config = join(ROOT, 'test/e2e/kind.yaml');
	const args = ['create', 'cluster', '--name', NAME, '--config', config, '--wait', '180s', '--kubeconfig', KUBECONFIG];
	await run('kind', [...args, ...(image ? ['--image', image] : [])], { timeoutMs: 400_000 });
}

/** Resolves to the id of the image. */
async function buildImage(): Promise<string> {
	await run(process.execPath, [join(ROOT, 'scripts/image.ts'), 'e2e'], { timeoutMs: 600_000 });
	return (await run('docker', ['image', 'inspect', '--format', '{{.Id}}', IMAGE])).trim();
}

/** Once for each image and each state of the manifests: what the cluster was prepared for is kept in it. */
async function prepare(kube: Kube, image: Promise<string>): Promise<void> {
	const preparedFor = await kube.kubectl(['get', 'configmap', 'e2e', '--ignore-not-found', '-o', 'jsonpath={.data.preparedFor}']);
	if (preparedFor !== '' && preparedFor === stateOf(await image)) {
		return;
	}
	await Promise.all([installServices(kube), image.then(() => loadImage(IMAGE, WORKER_NODES))]);
	await kube.apply(`{ apiVersion: v1, kind: ConfigMap, metadata: { name: e2e }, data: { preparedFor: "${stateOf(await image)}" } }`);
}

function stateOf(image: string): string {
	const hash = createHash('sha256').update(image);
	for (const name of Object.keys(SERVICES)) {
		hash.update(readFileSync(join(ROOT, `test/e2e/manifests/${name}.yaml`)));
	}
	return hash.digest('hex');
}

export async function loadImage(image: string, nodes: readonly string[]): Promise<void> {
	await run('kind', ['load', 'docker-image', image, '--name', NAME, '--nodes', nodes.join(',')], { timeoutMs: 300_000 });
}

async function installServices(kube: Kube): Promise<void> {
	await applyDefinitions(kube);
	for (const [name, namespace] of Object.entries(SERVICES)) {
		await kube.apply(`{ apiVersion: v1, kind: Namespace, metadata: { name: ${namespace} } }`);
		await kube.in(namespace).apply(readFileSync(join(ROOT, `test/e2e/manifests/${name}.yaml`), 'utf8'));
	}
	for (const [name, namespace] of Object.entries(SERVICES)) {
		await kube.in(namespace).rolledOut(`deployment/${name}`);
	}
}

/** Of the Gateway API and of the Prometheus operator. */
async function applyDefinitions(kube: Kube): Promise<void> {
	const folder = process.env.RIG_CRDS;
	const files = folder
		? readdirSync(folder)
				.filter((file) => file.endsWith('.yaml'))
				.map((file) => join(folder, file))
		: PUBLIC_CRDS;
	await kube.kubectl(['apply', '--server-side', '--force-conflicts', ...files.flatMap((file) => ['-f', file])]);
	await kube.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=120s']);
}

let current: Promise<Cluster> | undefined;

/** A test that has the cluster; when it fails, what the cluster looked like is kept in `.cache/e2e/`. */
export function clusterTest(name: string, work: (t: TestContext, cluster: Cluster) => Promise<void>): void {
	test(name, async (t) => {
		current ??= useCluster();
		const cluster = await current;
		try {
			await work(t, cluster);
		} catch (error) {
			t.diagnostic(`evidence: ${await keepEvidence(cluster, name)}`);
			throw error;
		}
	});
}

/** For the first file of the suite: a cluster that nothing has touched yet, unless it is to be kept. */
export function startFresh(): void {
	current ??= useCluster({ fresh: process.env.KEEP_CLUSTER === undefined });
}

async function keepEvidence(cluster: Cluster, name: string): Promise<string> {
	const kube = cluster.kube('default');
	const questions: readonly (readonly string[])[] = [
		['get', 'pods', '-A', '-o', 'wide'],
		['get', 'events', '-A', '--sort-by=.lastTimestamp'],
		['describe', 'pods', '-A', '-l', 'app.kubernetes.io/part-of=socketfleet'],
		...(await fleetPods(kube)).map((pod) => ['logs', '--tail=200', '--prefix', ...pod]),
	];
	const answers = await Promise.all(
		questions.map(async (args) => `$ kubectl ${args.join(' ')}\n${await kube.kubectl(args).catch((error: unknown) => messageOf(error))}`),
	);
	const file = join(EVIDENCE, `${name.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 60)}.log`);
	mkdirSync(EVIDENCE, { recursive: true });
	writeFileSync(file, answers.join('\n\n'));
	return file;
}

/** Arguments that name each pod of a release: `-n <namespace> <pod>`. */
async function fleetPods(kube: Kube): Promise<string[][]> {
	const columns = 'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\\n"}{end}';
	const list = await kube.kubectl(['get', 'pods', '-A', '-l', 'app.kubernetes.io/name=socketfleet', '-o', columns]).catch(() => '');
	return list
		.split('\n')
		.filter(Boolean)
		.map((line) => ['-n', ...line.split(' ')]);
}
