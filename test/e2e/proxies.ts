/** nginx and HAProxy of Debian in the cluster. They run the files of docs/recipes, with pods for addresses and without the affinity. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Kube, run } from '../support/kube.ts';
import { toYaml } from '../support/kube-chart.ts';
import { type Cluster, CONTROL_PLANE, loadImage, PROXY_HOST_PORTS } from './cluster.ts';
import { podsOf, reachable } from './fleet.ts';

const NAMESPACE = 'proxies';
const IMAGE = 'socketfleet-proxies:e2e';
const RECIPES = fileURLToPath(new URL('../../docs/recipes/', import.meta.url));
const IMAGES = fileURLToPath(new URL('images/', import.meta.url));
/** Where the recipes listen. */
const PORT = 8080;

export type ProxyName = keyof typeof PROXY_HOST_PORTS;

interface Recipe {
	readonly file: string;
	readonly command: readonly string[];
	/** What binds a client to a pod, and what stands there instead. */
	readonly affinity: readonly [text: string, instead: string];
	/** The address of the recipe's nth pod, as it is written there, and here. */
	readonly recipeAddress: (nth: number) => string;
	readonly podAddress: (ip: string) => string;
}

const PROXIES: Record<ProxyName, Recipe> = {
	nginx: {
		file: 'nginx-ip-hash/nginx.conf',
		command: ['nginx', '-c', '/etc/proxy/config', '-g', 'daemon off;'],
		affinity: ['ip_hash;', ''],
		recipeAddress: (nth) => `127.0.0.1:300${nth} `,
		podAddress: (ip) => `${ip}:3000 `,
	},
	haproxy: {
		file: 'haproxy/haproxy.cfg',
		command: ['haproxy', '-db', '-f', '/etc/proxy/config'],
		affinity: ['balance source', 'balance roundrobin'],
		recipeAddress: (nth) => `127.0.0.1:300${nth} port 947${nth}`,
		podAddress: (ip) => `${ip}:3000 port 9464`,
	},
};

/** Starts it in front of the pods that there are now; resolves to its address when an answer of the application comes through. */
export async function startProxy(cluster: Cluster, name: ProxyName, fleet: Kube): Promise<string> {
	await run('docker', ['build', '--tag', IMAGE, '--file', join(IMAGES, 'proxies.Dockerfile'), IMAGES], { timeoutMs: 300_000 });
	await loadImage(IMAGE, [CONTROL_PLANE]);
	const ips = (await podsOf(fleet)).map(({ status }) => status.podIP);
	const kube = cluster.kube(NAMESPACE);
	await kube.apply(`{ apiVersion: v1, kind: Namespace, metadata: { name: ${NAMESPACE} } }`);
	// One of an earlier run is in front of pods that are gone.
	await kube.kubectl(['delete', 'pod', name, '--ignore-not-found']);
	await kube.apply([buildConfig(name, ips), buildPod(name)].map((object) => toYaml(object)).join('---\n'));
	await kube.kubectl(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=120s'], { timeoutMs: 150_000 });
	const url = await cluster.urlOf(PROXY_HOST_PORTS[name]);
	await reachable(url);
	return url;
}

function buildConfig(name: ProxyName, ips: readonly string[]): object {
	const { file, affinity, recipeAddress, podAddress } = PROXIES[name];
	const put = (text: string, what: string, instead: string): string => {
		assert.ok(text.includes(what), `${file} has no "${what}"`);
		return text.replace(what, instead);
	};
	const config = ips.reduce(
		(text, ip, index) => put(text, recipeAddress(index + 1), podAddress(ip)),
		put(readFileSync(join(RECIPES, file), 'utf8'), ...affinity),
	);
	return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { config } };
}

function buildPod(name: ProxyName): object {
	return {
		apiVersion: 'v1',
		kind: 'Pod',
		metadata: { name },
		spec: {
			nodeSelector: { 'node-role.kubernetes.io/control-plane': '' },
			tolerations: [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }],
			terminationGracePeriodSeconds: 1,
			containers: [
				{
					name,
					image: IMAGE,
					imagePullPolicy: 'Never',
					command: PROXIES[name].command,
					ports: [{ containerPort: PORT, hostPort: PROXY_HOST_PORTS[name] }],
					readinessProbe: { tcpSocket: { port: PORT }, periodSeconds: 1 },
					volumeMounts: [{ name: 'config', mountPath: '/etc/proxy' }],
				},
			],
			volumes: [{ name: 'config', configMap: { name } }],
		},
	};
}
