/** `doctor [FLEET]`: looks at a fleet and what stands in front of it, and says what is wrong. Throws ERR_UNHEALTHY when something is. */
import { AppError } from '../../base/errors.ts';
import { isFault, parseReadings } from '../../fleet/readings.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isFailure } from '../../kube/errors.ts';
import { type KubeObject, RESOURCES, type Resource } from '../../kube/object.ts';
import { type Fleet, findFleet, listPods } from '../fleets.ts';
import type { PodAccess } from '../pod-access.ts';
import { readPods } from '../read-pods.ts';
import type { Session } from '../session.ts';
import { diagnose } from './checks.ts';
import type { Examination, ExaminedPod } from './examination.ts';
import { severityOf } from './findings.ts';
import { probeRoute, type RouteProbe } from './probe.ts';
import { renderJson, renderText } from './render.ts';
import { findRoutes, gatewaysOf, type Route } from './routes.ts';

export interface DoctorOptions {
	/** In place of what Ingresses and routes say. */
	readonly url?: string;
	/** Whether the public address is tried. */
	readonly requests: boolean;
}

const POLICY_KINDS = ['BackendConfig', 'GCPBackendPolicy', 'BackendTrafficPolicy', 'DestinationRule'] as const;

export async function runDoctor(session: Session, name: string | undefined, options: DoctorOptions): Promise<void> {
	checkUrl(options.url);
	const fleet = await findFleet(session.client, session.namespace, name);
	const examination = await examine(session, fleet, options);
	const findings = diagnose(examination);
	session.print(session.json ? renderJson(examination, findings) : renderText(examination, findings));
	const errors = findings.filter((finding) => severityOf(finding) === 'error');
	if (errors.length > 0) {
		throw new AppError('ERR_UNHEALTHY', `fleet ${fleet.name} is not well: ${errors.map(({ id }) => id).join(', ')}`);
	}
}

function checkUrl(url: string | undefined): void {
	if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
		throw new AppError('ERR_USAGE', `--url must be an address such as https://chat.example.com, got ${url}`);
	}
}

async function examine({ client, pods: access }: Session, fleet: Fleet, { url, requests }: DoctorOptions): Promise<Examination> {
	const [pods, { routes, unread }] = await Promise.all([examinePods(client, access, fleet), readRoutes(client, fleet)]);
	const probes = requests ? await probeAll(routes, pods, url) : [];
	return { fleet, pods, routes, probes, asked: requests, unread, nowMs: Date.now() };
}

async function examinePods(client: KubeClient, access: PodAccess, fleet: Fleet): Promise<readonly ExaminedPod[]> {
	const read = await readPods(await listPods(client, fleet), async (pod) => {
		const [status, metrics] = await Promise.all([access.status(pod), access.metrics(pod)]);
		return { status, readings: parseReadings(metrics) };
	});
	return read.map(({ object, pod, answer, problem }) => ({
		object,
		pod: { ...pod, readings: answer?.readings, reasons: (answer?.status.reasons ?? []).filter(isFault) },
		status: answer?.status,
		problem,
	}));
}

async function readRoutes(
	client: KubeClient,
	{ namespace, deployment }: Fleet,
): Promise<{ routes: readonly Route[]; unread: readonly string[] }> {
	const unread: string[] = [];
	const list = (resource: Resource): Promise<readonly KubeObject[]> => readAll(client, resource, namespace, unread);
	const [services, ingresses, httpRoutes, ...policies] = await Promise.all([
		list(RESOURCES.Service),
		list(RESOURCES.Ingress),
		list(RESOURCES.HTTPRoute),
		...POLICY_KINDS.map((kind) => list(RESOURCES[kind])),
	]);
	const gateways = await readGateways(client, httpRoutes, unread);
	const template = deployment?.spec as { readonly template?: KubeObject } | undefined;
	const podLabels = template?.template?.metadata.labels ?? {};
	return { routes: findRoutes({ services, ingresses, httpRoutes, gateways, policies: policies.flat() }, podLabels), unread };
}

/** None where the definition is not installed. What may not be read is noted, and holds up nothing else. */
async function readAll(client: KubeClient, resource: Resource, namespace: string, unread: string[]): Promise<readonly KubeObject[]> {
	try {
		const { items } = await client.list(resource, { namespace });
		return items.map((item) => ({ ...item, kind: resource.kind })); // items of a list do not name their kind
	} catch (error) {
		return excuse(error, unread);
	}
}

async function readGateways(client: KubeClient, httpRoutes: readonly KubeObject[], unread: string[]): Promise<readonly KubeObject[]> {
	try {
		const found = await Promise.all(gatewaysOf(httpRoutes).map((ref) => client.get(RESOURCES.Gateway, ref)));
		return found.filter((gateway) => gateway !== undefined);
	} catch (error) {
		return excuse(error, unread);
	}
}

function excuse(error: unknown, unread: string[]): readonly KubeObject[] {
	if (isFailure(error, 'forbidden')) {
		unread.push(error.message);
	} else if (!isFailure(error, 'not-found')) {
		throw error;
	}
	return [];
}

/** Each address once. The pods say under which path and by which transports they are reached. */
function probeAll(routes: readonly Route[], pods: readonly ExaminedPod[], url: string | undefined): Promise<readonly RouteProbe[]> {
	const config = pods.find(({ status }) => status !== undefined)?.status?.config;
	const path = typeof config?.path === 'string' ? config.path : '/socket.io/';
	const transports = Array.isArray(config?.transports) ? config.transports.map(String) : ['polling', 'websocket'];
	const origins = url === undefined ? routes.flatMap(({ origin }) => origin ?? []) : [url];
	const urls = [...new Set(origins.map((origin) => new URL(path, origin).href))];
	return Promise.all(urls.map((each) => probeRoute({ url: each, transports })));
}
