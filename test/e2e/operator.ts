/** The operator and its fleets, for the files of the suite that need them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Kube } from '../support/kube.ts';
import { toYaml, type Values } from '../support/kube-chart.ts';
import { waitFor } from '../support/wait.ts';
import type { Cluster } from './cluster.ts';
import { type PodObject, STATE_TIMEOUT, useNamespace } from './fleet.ts';

const OPERATOR_CHART = fileURLToPath(new URL('../../helm/socketfleet-operator', import.meta.url));
const APP = readFileSync(new URL('app/app.js', import.meta.url), 'utf8');
export const SYSTEM = 'socketfleet-system';
export const OPERATOR = 'socketfleet-operator';

export const SPEC = {
	replicas: 3,
	image: { tag: 'e2e', pullPolicy: 'Never' },
	app: { files: { 'app.js': APP } },
	resources: { requests: { cpu: '20m', memory: '64Mi' }, limits: { memory: '512Mi' } },
	config: { workers: 2, corsOrigin: ['*'], publishTimeoutMs: 10_000 },
	drain: { delaySeconds: 5, spreadSeconds: 3, marginSeconds: 40 },
	rollout: { minReadySeconds: 8 },
	redis: { bundled: { resources: { requests: { cpu: '20m', memory: '32Mi' } } } },
	// The shared fleet takes every host but this one.
	ingress: { enabled: true, controller: 'traefik', hosts: ['localhost'], affinity: { mode: 'none' } },
};

/** In place of `app.files`, which a roll-back does not bring back. */
export const MOUNTED_APP: Values = {
	app: { path: '/srv/app/app.js' },
	extraVolumes: [{ name: 'app', configMap: { name: 'app' } }],
	extraVolumeMounts: [{ name: 'app', mountPath: '/srv/app' }],
};

export async function useMountedApp(kube: Kube): Promise<void> {
	await kube.apply(toYaml({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'app' }, data: { 'app.js': APP } }));
}

export function fleetYaml(name: string, spec: Values = SPEC): string {
	return toYaml({ apiVersion: 'socketfleet.dev/v1alpha1', kind: 'SocketFleet', metadata: { name }, spec });
}

export async function useOperator(cluster: Cluster, values: Values = {}): Promise<Kube> {
	const system = await useNamespace(cluster, SYSTEM);
	await installOperator(system, values);
	await system.rolledOut(`deployment/${OPERATOR}`);
	return system;
}

/** Without waiting. */
export async function installOperator(system: Kube, values: Values = {}, args: readonly string[] = []): Promise<void> {
	const small = { image: { tag: 'e2e', pullPolicy: 'Never' }, resources: { requests: { cpu: '20m', memory: '64Mi' } } };
	await system.helm(['upgrade', '--install', OPERATOR, OPERATOR_CHART, '-f', '-', ...args], { input: toYaml({ ...small, ...values }) });
}

/** Until so many pods are ready and the operator has nothing left to do. */
export async function settled(kube: Kube, fleet: string, replicas: number): Promise<void> {
	await waitFor(
		`${replicas} pods and a fleet that is stable`,
		async () => {
			const { metadata, status } = await kube.json<FleetObject>(['get', 'sfleet', fleet]);
			const verdict = (type: string): string | undefined => status?.conditions.find((each) => each.type === type)?.status;
			const seen = status?.observedGeneration === metadata.generation && status.readyReplicas === replicas && status.replicas === replicas;
			return seen && verdict('Ready') === 'True' && verdict('Progressing') === 'False' && (await livePods(kube, fleet)).length === replicas;
		},
		STATE_TIMEOUT,
	);
}

export interface FleetObject {
	readonly metadata: { readonly generation: number };
	readonly status?: {
		readonly observedGeneration: number;
		readonly replicas: number;
		readonly readyReplicas: number;
		readonly rebalance?: { readonly movedConnections: number; readonly fullestPercent?: number };
		readonly conditions: readonly { readonly type: string; readonly status: string; readonly message: string }[];
	};
}

/** With those on their way out, as `name` or `-name`. One whose containers have ended holds no clients: it is gone. */
export async function livePods(kube: Kube, fleet: string): Promise<string[]> {
	const selector = `app.kubernetes.io/instance=${fleet},app.kubernetes.io/component=fleet`;
	const { items } = await kube.json<{ items: PodObject[] }>(['get', 'pods', '-l', selector]);
	const alive = items.filter(({ status }) => !['Succeeded', 'Failed'].includes(status.phase));
	return alive.map(({ metadata }) => `${metadata.deletionTimestamp === undefined ? '' : '-'}${metadata.name}`);
}
