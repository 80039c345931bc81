/** The shipped alert rules in a real Prometheus, with short times, and the faults made for real: each fires its alert, and ends it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { alertValues } from '../../scripts/alerts/rules.ts';
import type { Kube } from '../support/kube.ts';
import { CHART, toYaml, type Values } from '../support/kube-chart.ts';
import { secondsSince, waitFor } from '../support/wait.ts';
import { connected, createClient, runSession } from './clients.ts';
import { type Cluster, clusterTest } from './cluster.ts';
import { allPodsOf, localhostOf, podsOf, reachableOnLocalhost, SMALL, STATE_TIMEOUT, useNamespace } from './fleet.ts';
import { AlertWatch, Prometheus } from './prometheus.ts';

const APP = readFileSync(new URL('app/faulty.js', import.meta.url), 'utf8');
const NAMESPACE = 'e2e-alerts';
/** Behind Traefik without affinity: what clients do to it. */
const CROWDED = 'crowded';
/** Reached through the API server only: what happens to its processes. */
const FAILING = 'failing';
const FLEETS = [CROWDED, FAILING];

/** Long enough for a pod that starts, or is not scraped for a moment, on a busy machine, and for a worker that is restarted with back-off. */
const LONGER: Readonly<Record<string, Readonly<Record<string, string>>>> = {
	notScraped: { for: '30s' },
	podWithoutWorkers: { for: '30s' },
	redisAway: { for: '15s' },
	workersCrash: { window: '60s' },
	slowConsumers: { window: '60s' },
	drainHangs: { for: '12s' },
};

function shortTimes(): Values {
	const short = (key: string, times: object): Values => {
		const names = Object.keys(times).filter((name) => name !== 'enabled');
		return { ...Object.fromEntries(names.map((name) => [name, name === 'for' ? '4s' : '20s'])), ...LONGER[key] };
	};
	return Object.fromEntries(Object.entries(alertValues()).map(([key, times]) => [key, short(key, times)]));
}

const CONFIG: Values = { ...(SMALL.config as Values), workers: 1 };

const VALUES: Values = {
	...SMALL,
	config: CONFIG,
	replicas: 2,
	app: { files: { 'app.js': APP } },
	monitoring: { rules: { enabled: true, alerts: shortTimes() } },
};

const RELEASES: Readonly<Record<string, Values>> = {
	[CROWDED]: {
		...VALUES,
		config: { ...CONFIG, streamMaxEntries: 1000, maxBufferedBytes: 65_536 },
		// The shared fleet takes every host but this one.
		ingress: { enabled: true, controller: 'none', className: 'traefik', hosts: ['localhost'] },
	},
	[FAILING]: { ...VALUES, drain: { delaySeconds: 5, spreadSeconds: 3, marginSeconds: 40 } },
};

interface Stage {
	readonly t: TestContext;
	readonly kube: Kube;
	readonly url: string;
	readonly watch: AlertWatch;
}

async function setStage(t: TestContext, cluster: Cluster): Promise<Stage> {
	const kube = await useNamespace(cluster, NAMESPACE);
	t.after(() =>
		Promise.all(FLEETS.map((release) => kube.helm(['uninstall', release, '--ignore-not-found', '--wait', '--timeout', '120s']))),
	);
	await Promise.all(FLEETS.map((release) => install(kube, release)));
	const prometheus = new Prometheus(cluster);
	t.after(() => prometheus.dropRules());
	await prometheus.useRules(
		Object.fromEntries(await Promise.all(FLEETS.map(async (fleet) => [`${fleet}.yaml`, await rulesOf(kube, fleet)]))),
	);
	const watch = new AlertWatch(prometheus);
	t.after(() => watch.close());
	await reachableOnLocalhost(cluster, kube);
	return { t, kube, url: localhostOf(cluster), watch };
}

async function install(kube: Kube, release: string): Promise<void> {
	await kube.helm(['upgrade', '--install', release, CHART, '-f', '-'], { input: toYaml(RELEASES[release]) });
	await kube.rolledOut(`statefulset/${release}-redis`);
	await kube.rolledOut(`deployment/${release}`);
}

/** As the Prometheus operator would read them. */
async function rulesOf(kube: Kube, release: string): Promise<object> {
	return (await kube.json<{ spec: object }>(['get', 'prometheusrule', release])).spec;
}

clusterTest('every fault fires its alert and every alert ends with its fault; a pod that terminates pages nobody', async (t, cluster) => {
	const stage = await setStage(t, cluster);
	const stops = await Promise.all([
		wanderWithoutAffinity(stage),
		storm(stage),
		readNothing(stage),
		overfillTheStream(stage),
		failProcesses(stage),
	]);
	await Promise.all(stops.map((stop) => stop()));
	await takeRedisAway(stage);
	await quiet(stage, 'every alert to end with its fault');
	await hangInDrain(stage);
	await quiet(stage, 'the last alert to end');
});

/** Until `alert` has fired for `fleet`; `nudge` makes the fault again until then. */
async function fires({ t, watch }: Stage, fleet: string, alert: string, nudge?: () => Promise<unknown>): Promise<void> {
	const startedAt = Date.now();
	await waitFor(
		`${alert} of ${fleet}`,
		async () => {
			if (watch.seen().some((seen) => seen.fleet === fleet && seen.name === alert)) {
				return true;
			}
			await nudge?.();
			throw new Error(`firing: ${watch.describe()}`);
		},
		STATE_TIMEOUT,
	);
	t.diagnostic(`${alert}: ${secondsSince(startedAt)} s`);
}

async function quiet({ watch }: Stage, what: string): Promise<void> {
	await waitFor(
		what,
		() => {
			if (watch.now()?.every(({ fleet }) => !FLEETS.includes(fleet))) {
				return true;
			}
			throw new Error(`firing: ${watch.describe()}`);
		},
		STATE_TIMEOUT,
	);
}

type Stop = () => Promise<void>;

/** Again and again, until it is stopped; a request that fails in all this is followed by the next. */
function repeat(t: TestContext, everyMs: number, work: () => Promise<unknown>): Stop {
	let stopped = false;
	let failures = 0;
	const loop = async (): Promise<void> => {
		while (!stopped) {
			await work().catch(() => failures++);
			await delay(everyMs);
		}
	};
	const running = loop();
	const stop = async (): Promise<void> => {
		stopped = true;
		await running;
		if (failures > 0) {
			t.diagnostic(`${failures} requests failed on the way`);
		}
	};
	t.after(stop);
	return stop;
}

/** Polling clients that keep no cookie: each request may arrive at the other pod. */
async function wanderWithoutAffinity(stage: Stage): Promise<Stop> {
	const { t, url } = stage;
	const stops = Array.from({ length: 6 }, () => {
		const socket = createClient(url, 'polling', { reconnection: true });
		t.after(() => socket.disconnect());
		return repeat(t, 200, () => socket.timeout(10_000).emitWithAck('where'));
	});
	await fires(stage, CROWDED, 'SocketfleetAffinityBroken');
	return async () => {
		await Promise.all(stops.map((stop) => stop()));
	};
}

async function storm(stage: Stage): Promise<Stop> {
	const { t, url } = stage;
	const stops = Array.from({ length: 2 }, () => repeat(t, 200, () => runSession(url, 'websocket', {})));
	await fires(stage, CROWDED, 'SocketfleetReconnectStorm');
	return async () => {
		await Promise.all(stops.map((stop) => stop()));
	};
}

/** One client after the other that is sent a flood and does not read it. */
async function readNothing(stage: Stage): Promise<Stop> {
	const { t, url } = stage;
	const sockets: WebSocket[] = [];
	t.after(() => {
		for (const socket of sockets) {
			socket.terminate();
		}
	});
	const stop = repeat(t, 300, async () => {
		sockets.push(await openDeafClient(url));
	});
	await fires(stage, CROWDED, 'SocketfleetSlowConsumers');
	return stop;
}

/** Resolves when it has asked for the flood, and listens no more. */
function openDeafClient(url: string): Promise<WebSocket> {
	const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
	return new Promise((resolve, reject) => {
		socket.on('error', reject);
		socket.on('close', () => reject(new Error('closed')));
		socket.on('message', (data: Buffer) => {
			const packet = data.toString();
			if (packet.startsWith('0')) {
				socket.send('40');
			} else if (packet.startsWith('40')) {
				socket.send('42["flood"]');
				socket.pause();
				resolve(socket);
			}
		});
	});
}

/** More messages than the stream may hold for the recovery window. */
async function overfillTheStream(stage: Stage): Promise<Stop> {
	const { t, url } = stage;
	const socket = createClient(url, 'websocket', { reconnection: true });
	t.after(() => socket.disconnect());
	await connected(socket);
	socket.off('disconnect');
	const stop = repeat(t, 250, () => socket.timeout(10_000).emitWithAck('publish', 50));
	await fires(stage, CROWDED, 'SocketfleetRetentionShort');
	return stop;
}

/** A worker that blocks in one pod, and one that dies in the other. */
async function failProcesses(stage: Stage): Promise<Stop> {
	const { kube } = stage;
	const [busy = '', dying = ''] = (await podsOf(kube, FAILING)).map(({ metadata }) => metadata.name);
	await order(kube, busy, 'saturate');
	await Promise.all([
		fires(stage, FAILING, 'SocketfleetEventLoopSaturated'),
		fires(stage, FAILING, 'SocketfleetWorkersCrash', () => order(kube, dying, 'crash')),
	]);
	return async () => {
		await order(kube, busy, 'relax');
	};
}

/** Of the application in `pod`, which has one worker. */
function order(kube: Kube, pod: string, fault: string): Promise<string> {
	return kube.kubectl(['get', '--raw', `/api/v1/namespaces/${kube.namespace}/pods/${pod}:3000/proxy/?fault=${fault}`]);
}

async function takeRedisAway(stage: Stage): Promise<void> {
	const { kube } = stage;
	const scale = (replicas: number): Promise<string> => kube.kubectl(['scale', `statefulset/${FAILING}-redis`, `--replicas=${replicas}`]);
	await scale(0);
	await fires(stage, FAILING, 'SocketfleetRedisAway');
	assert.equal((await podsOf(kube, FAILING)).filter(isReady).length, 2, 'pods without Redis stay ready');
	await scale(1);
}

/** The pod's drain ends only when it is cut off; all the while it is silent but for the alert that says so. */
async function hangInDrain(stage: Stage): Promise<void> {
	const { kube, watch } = stage;
	watch.forget();
	const [pod = ''] = (await podsOf(kube, FAILING)).map(({ metadata }) => metadata.name);
	await order(kube, pod, 'hang');
	await kube.kubectl(['delete', 'pod', pod, '--wait=false']);
	await fires(stage, FAILING, 'SocketfleetDrainHangs');
	await waitFor(
		'the pod to be gone',
		async () => (await allPodsOf(kube, FAILING)).every(({ metadata }) => metadata.name !== pod),
		STATE_TIMEOUT,
	);
	const seen = watch.seen().filter(({ fleet }) => fleet === FAILING);
	assert.deepEqual([...new Set(seen.filter((alert) => alert.pod === pod).map(({ name }) => name))], ['SocketfleetDrainHangs']);
	assert.deepEqual([...new Set(seen.filter(({ severity }) => severity === 'critical').map(({ name }) => name))], []);
}

function isReady({ status }: Awaited<ReturnType<typeof podsOf>>[number]): boolean {
	const conditions = status.conditions as readonly { readonly type: string; readonly status: string }[];
	return conditions.some(({ type, status: verdict }) => type === 'Ready' && verdict === 'True');
}
