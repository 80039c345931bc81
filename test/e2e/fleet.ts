/** A release of the chart in a namespace that enforces restricted Pod Security, and what its pods say about themselves. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Kube } from '../support/kube.ts';
import { CHART, toYaml, type Values } from '../support/kube-chart.ts';
import { waitFor } from '../support/wait.ts';
import type { Cluster } from './cluster.ts';

const APP = fileURLToPath(new URL('app/app.js', import.meta.url));
export const SHARED_NAMESPACE = 'e2e';
export const RELEASE = 'fleet';
/** Of the cluster's states; the machine has two cores for all of it. */
export const STATE_TIMEOUT = { timeoutMs: 180_000, everyMs: 500 };

// Two cores for a whole cluster: a message waits for Redis as long as it has to, or a stall would count as a loss.
export const CONFIG: Values = { workers: 2, corsOrigin: ['*'], publishTimeoutMs: 10_000 };

/** Small requests and a short drain: 13 s and 5 of grace. */
export const SMALL: Values = {
	image: { tag: 'e2e', pullPolicy: 'Never' },
	replicas: 3,
	resources: { requests: { cpu: '20m', memory: '64Mi' }, limits: { cpu: null, memory: '512Mi' } },
	config: CONFIG,
	drain: { delaySeconds: 5, spreadSeconds: 3, marginSeconds: 5 },
	rollout: { minReadySeconds: 1 },
	redis: { bundled: { resources: { requests: { cpu: '20m', memory: '32Mi' } } } },
	topologySpread: { whenUnsatisfiable: 'DoNotSchedule', topologyKeys: ['kubernetes.io/hostname'] },
	// When a node dies, its pods are replaced after this long and not after five minutes.
	tolerations: ['not-ready', 'unreachable'].map((state) => ({
		key: `node.kubernetes.io/${state}`,
		operator: 'Exists',
		effect: 'NoExecute',
		tolerationSeconds: 30,
	})),
};

export const BEHIND_TRAEFIK: Values = { ...SMALL, ingress: { enabled: true, controller: 'traefik' } };

export async function useNamespace(cluster: Cluster, name: string): Promise<Kube> {
	const labels = '{ pod-security.kubernetes.io/enforce: restricted }';
	await cluster.kube('default').apply(`{ apiVersion: v1, kind: Namespace, metadata: { name: ${name}, labels: ${labels} } }`);
	return cluster.kube(name);
}

/** Installs or upgrades; with the same values nothing moves. Resolves when the pods run what was asked for. */
export async function deploy(kube: Kube, release: string, values: Values): Promise<void> {
	await upgrade(kube, release, values);
	await kube.rolledOut(`statefulset/${release}-redis`);
	await kube.rolledOut(`deployment/${release}`);
}

/** The same without waiting. */
export async function upgrade(kube: Kube, release: string, values: Values): Promise<void> {
	const withApp = ['--set-file', `app.files.app\\.js=${APP}`];
	await kube.helm(['upgrade', '--install', release, CHART, '-f', '-', ...withApp], { input: toYaml(values) });
}

/** The fleet that most files share, behind Traefik with its cookie. */
export async function useFleet(cluster: Cluster, values: Values = BEHIND_TRAEFIK): Promise<Kube> {
	const kube = await useNamespace(cluster, SHARED_NAMESPACE);
	await deploy(kube, RELEASE, values);
	await reachable(cluster.url, (await podsOf(kube)).length);
	return kube;
}

/** Traefik learns of endpoints up to two seconds after the pods are ready: clients that come before that are all on the first. */
export async function reachable(url: string, pods = 1): Promise<void> {
	const seen = new Set<string | null>();
	await waitFor(
		`${url} to reach ${pods} pods`,
		async () => {
			const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
			if ((await response.text()) === 'ok\n') {
				seen.add(response.headers.get('x-pod'));
			}
			return seen.size >= pods;
		},
		STATE_TIMEOUT,
	);
}

/** The host for one more fleet, beside the shared one that takes every host. */
export function localhostOf({ url }: Cluster): string {
	return url.replace('127.0.0.1', 'localhost');
}

/** Of two routers with one rule Traefik takes either, and clients would be of two fleets: the one of a file before has to be gone. */
export async function reachableOnLocalhost(cluster: Cluster, kube: Kube, pods = 1): Promise<void> {
	await waitFor(
		'localhost to be the host of one fleet',
		async () => {
			const { items } = await kube.json<{ items: IngressObject[] }>(['get', 'ingresses', '--all-namespaces']);
			const others = items.filter(({ metadata, spec }) => metadata.namespace !== kube.namespace && hasHost(spec, 'localhost'));
			if (others.length > 0) {
				throw new Error(`ingresses of others: ${others.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(', ')}`);
			}
			return true;
		},
		STATE_TIMEOUT,
	);
	await reachable(localhostOf(cluster), pods);
}

interface IngressObject {
	readonly metadata: { readonly namespace: string; readonly name: string };
	readonly spec: { readonly rules?: readonly { readonly host?: string }[] };
}

function hasHost({ rules = [] }: IngressObject['spec'], wanted: string): boolean {
	return rules.some(({ host }) => host === wanted);
}

export interface PodObject {
	readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
	readonly spec: { readonly nodeName: string; readonly [field: string]: unknown };
	readonly status: {
		readonly phase: string;
		readonly podIP: string;
		readonly containerStatuses?: readonly { readonly ready: boolean }[];
		readonly [field: string]: unknown;
	};
}

/** Pods of the release, those that are draining too. */
export async function allPodsOf(kube: Kube, release: string = RELEASE, component = 'fleet'): Promise<PodObject[]> {
	const selector = `app.kubernetes.io/instance=${release},app.kubernetes.io/component=${component}`;
	return (await kube.json<{ items: PodObject[] }>(['get', 'pods', '-l', selector])).items;
}

/** Pods of the release that are not on their way out. */
export async function podsOf(kube: Kube, release: string = RELEASE, component = 'fleet'): Promise<PodObject[]> {
	return (await allPodsOf(kube, release, component)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** Of a Deployment or StatefulSet, as `deployment/fleet`. */
export async function readyReplicas(kube: Kube, workload: string): Promise<number> {
	const { status } = await kube.json<{ status: { readyReplicas?: number } }>(['get', workload]);
	return status.readyReplicas ?? 0;
}

/** A path of a pod's admin port, through the API server. A 503 of `/readyz` has its sentences in the error that kubectl gives. */
export function askPod(kube: Kube, pod: string, path: string): Promise<string> {
	return kube.kubectl(['get', '--raw', `/api/v1/namespaces/${kube.namespace}/pods/${pod}:9464/proxy${path}`]);
}

/** Sum over the pods and over the samples that have these labels. */
export async function fleetMetric(kube: Kube, name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
	const pods = await podsOf(kube);
	const texts = await Promise.all(pods.map(({ metadata }) => askPod(kube, metadata.name, '/metrics')));
	return texts.reduce((sum, text) => sum + sumSamples(text, name, labels), 0);
}

function sumSamples(text: string, name: string, labels: Readonly<Record<string, string>>): number {
	return text
		.split('\n')
		.filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
		.filter((line) => Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)))
		.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

export function ciValues(name: string): string {
	return join(CHART, 'ci', name);
}
