/** Real pods of this machine as an API server shows the pods of a fleet: for what looks at fleets through Kubernetes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiServer } from './api-server.ts';
import { FLEET_KEY, type Pod } from './pod.ts';
import { servePortForward } from './port-forward.ts';
import type { Scope } from './redis-server.ts';

export const NAMESPACE = 'demo';
const CORE = `/api/v1/namespaces/${NAMESPACE}`;
const PODS = `${CORE}/pods`;
export const DEPLOYMENTS = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`;
export const INGRESSES = `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}/ingresses`;
const LABELS = { 'app.kubernetes.io/name': 'socketfleet', 'app.kubernetes.io/instance': 'chat', 'app.kubernetes.io/component': 'fleet' };

export interface KubeFleet {
	readonly api: ApiServer;
	/** Environment of a program that is to use this cluster. */
	readonly env: Readonly<Record<string, string>>;
	/** Changes the object of a pod, as its spec. */
	putPod(name: string, more?: { readonly spec?: object; readonly status?: object; readonly metadata?: object }): void;
	/** What a port-forward to a pod meets, in place of the pod. */
	readonly ports: Map<string, number | 'forbidden' | undefined>;
}

/** A fleet `chat` with the Deployment, the Service, the Secret of its key, and pods of these names. */
export async function startKubeFleet(t: Scope, pods: Readonly<Record<string, Pod>>): Promise<KubeFleet> {
	const api = await ApiServer.start(t);
	const ports = new Map<string, number | 'forbidden' | undefined>(Object.entries(pods).map(([name, pod]) => [name, pod.ports.admin]));
	servePortForward(api.server, (name) => ports.get(name));
	const count = Object.keys(pods).length;
	api.put(DEPLOYMENTS, 'chat', {
		metadata: { name: 'chat', namespace: NAMESPACE, resourceVersion: '2', labels: { ...LABELS, 'app.kubernetes.io/managed-by': 'Helm' } },
		spec: { replicas: count, selector: { matchLabels: LABELS }, template: { metadata: { labels: LABELS } } },
		status: { replicas: count, updatedReplicas: count },
	});
	api.put(`${CORE}/secrets`, 'chat-fleet-key', { data: { current: Buffer.from(FLEET_KEY).toString('base64') } });
	api.put(`${CORE}/services`, 'chat', { spec: { selector: LABELS } });
	const putPod: KubeFleet['putPod'] = (name, { spec = {}, status = {}, metadata = {} } = {}) =>
		api.put(PODS, name, podObject(name, spec, status, metadata));
	for (const name of Object.keys(pods)) {
		putPod(name);
	}
	return { api, env: { KUBECONFIG: writeKubeconfig(t, api.url) }, putPod, ports };
}

function podObject(name: string, spec: object, status: object, metadata: object): object {
	const secretKeyRef = { name: 'chat-fleet-key', key: 'current' };
	const container = { name: 'socketfleet', env: [{ name: 'SOCKETFLEET_FLEET_KEY', valueFrom: { secretKeyRef } }] };
	return {
		metadata: {
			name,
			namespace: NAMESPACE,
			resourceVersion: '3',
			labels: LABELS,
			creationTimestamp: '2026-01-01T00:00:00Z',
			...metadata,
		},
		spec: { containers: [container], terminationGracePeriodSeconds: 60, nodeName: 'node-1', ...spec },
		status: { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }], ...status },
	};
}

function writeKubeconfig(t: Scope, server: string): string {
	const dir = mkdtempSync(join(tmpdir(), 'socketfleet-kubeconfig-'));
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	const config = {
		apiVersion: 'v1',
		kind: 'Config',
		'current-context': 'test',
		contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: NAMESPACE } }],
		// The official client speaks plain HTTP only so.
		clusters: [{ name: 'test', cluster: { server, 'insecure-skip-tls-verify': true } }],
		users: [{ name: 'test', user: {} }],
	};
	writeFileSync(join(dir, 'config'), JSON.stringify(config));
	return join(dir, 'config');
}
