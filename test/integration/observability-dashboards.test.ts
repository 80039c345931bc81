/**
 * Every query of every dashboard against a real Prometheus that scrapes a real fleet under load: each must give data, and those
 * of panels that show faults a value above 0 once the fault was made.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import type { Dashboard, Panel } from '../../scripts/dashboards/dashboard.ts';
import { DASHBOARDS } from '../../scripts/dashboards/dashboards.ts';
import { grafanaExpr } from '../../scripts/dashboards/render.ts';
import { sleep } from '../../src/base/deadline.ts';
import { createTotals } from '../../src/metrics/aggregate.ts';
import { METRIC_NAMES } from '../../src/metrics/catalog.ts';
import { renderExposition } from '../../src/metrics/expose.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import { askWhere, connectClient, openSession, pollingUrl, send } from '../support/clients.ts';
import { type Pod, startPod } from '../support/pod.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';
import { startRedis, type TestRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';

const APP = fileURLToPath(new URL('../fixtures/metrics-app.ts', import.meta.url));
const API_TOKEN = 'observability-test-token';
const PATIENCE = { timeoutMs: 90_000, everyMs: 500 };
const VARIABLES = { namespace: 'demo', fleet: 'chat', pod: '.+', __rate_interval: '20s' };
const POD_NAMES = ['chat-6d4cf56db6-aaaaa', 'chat-6d4cf56db6-bbbbb'] as const;
const LOAD_EVERY_MS = 300;
const STREAM = 'socketfleet:default:stream';
const FLOOD_BYTES = 32_000_000;
/** A packet of Engine.IO. */
const ENGINE_CLOSE = '1';

interface Shown {
	readonly dashboard: Dashboard;
	readonly panel: Panel;
}

const PANELS: readonly Shown[] = DASHBOARDS.flatMap((dashboard) =>
	dashboard.rows.flatMap(({ panels }) => panels.map((panel) => ({ dashboard, panel }))),
);

test('every metric is on a dashboard', () => {
	const queries = PANELS.flatMap(({ panel }) => panel.queries.map(({ expr }) => expr)).join('\n');
	const missing = METRIC_NAMES.filter((name) => !new RegExp(`\\b${name}(_bucket)?\\{`).test(queries));
	assert.deepEqual(missing, []);
});

test('every panel gives data, and those of faults show the fault', { timeout: 240_000 }, async (t) => {
	const redis = await startRedis(t);
	const options = {
		redisUrl: redis.url,
		apiTokens: API_TOKEN,
		maxBufferedBytes: 65_536,
		drainDelayMs: 60_000,
		drainTimeoutMs: 90_000,
	};
	const one = await startPod(t, { options, app: APP });
	const other = await startPod(t, { options, app: APP });
	const prometheus = await startPrometheus(t, [
		{ address: new URL(one.adminUrl).host, labels: { namespace: 'demo', pod: POD_NAMES[0] } },
		{ address: new URL(other.adminUrl).host, labels: { namespace: 'demo', pod: POD_NAMES[1] } },
		{ address: await serveOperatorMetrics(t), labels: { namespace: 'demo', pod: 'operator-5b9c7c-xxxxx' } },
	]);
	await putUnderLoad(t, one, other);

	await t.test('all panels but those of faults', async (scope) => {
		// Retention is known once something was trimmed; what is trimmed here has long been read.
		repeat(scope, async () => {
			redisCli(redis, 'XTRIM', STREAM, 'MAXLEN', '100');
			await delay(2000);
		});
		const open = new Set(PANELS.filter(({ panel }) => panel.fault === undefined));
		await tickOff(prometheus, open, isShown, () => false);
	});

	await t.test('panels of faults, as the faults are made', async (scope) => {
		const open = new Set(PANELS.filter(({ panel }) => panel.fault));
		await makeFaults(scope, one, redis);
		other.kill('SIGTERM');
		await tickOff(prometheus, open, isPositive, ({ dashboard }) => dashboard.id === 'socketfleet-redis');
		redis.signal('SIGSTOP');
		await tickOff(prometheus, open, isPositive, ({ panel }) => ['Gaps', 'Entries that nobody here needed'].includes(panel.title));
		// What was delivered without it comes back.
		redis.signal('SIGCONT');
		await tickOff(prometheus, open, isPositive, ({ panel }) => panel.title === 'Gaps');
		// Its data is gone: the stream begins anew.
		await redis.restart();
		await tickOff(prometheus, open, isPositive, () => false);
	});
});

/** Takes panels off the list as they show what they should, until only those are left that `mayWait`. */
async function tickOff(prometheus: Prometheus, open: Set<Shown>, isMet: typeof isShown, mayWait: (shown: Shown) => boolean): Promise<void> {
	const look = async (): Promise<boolean> => {
		await Promise.all(
			[...open].map(async (shown) => {
				if (await isMet(prometheus, shown)) {
					open.delete(shown);
				}
			}),
		);
		const missing = [...open].filter((shown) => !mayWait(shown));
		if (missing.length > 0) {
			throw new Error(missing.map(({ dashboard, panel }) => `${dashboard.title}: ${panel.title}`).join(', '));
		}
		return true;
	};
	await waitFor('every panel to show what it should', look, PATIENCE);
}

async function isShown(prometheus: Prometheus, { dashboard, panel }: Shown): Promise<boolean> {
	const values = await valuesOf(prometheus, dashboard, panel);
	return values.every((each) => each.length > 0);
}

async function isPositive(prometheus: Prometheus, { dashboard, panel }: Shown): Promise<boolean> {
	const values = await valuesOf(prometheus, dashboard, panel);
	return values.every((each) => each.length > 0) && values.flat().some((value) => value > 0);
}

/** Of each query its values, as numbers that can be drawn. */
function valuesOf(prometheus: Prometheus, dashboard: Dashboard, { queries }: Panel): Promise<number[][]> {
	return Promise.all(
		queries.map(async (query) => {
			const expr = Object.entries(VARIABLES).reduce(
				(text, [name, value]) => text.replaceAll(`$${name}`, value),
				grafanaExpr(query, dashboard),
			);
			return (await prometheus.query(expr)).map(({ value }) => value).filter(Number.isFinite);
		}),
	);
}

/** Clients of every transport, events, emits over HTTP, requests that arrive at the wrong pod, and one that keeps coming back. */
async function putUnderLoad(t: TestContext, one: Pod, other: Pod): Promise<void> {
	const clients = await Promise.all(
		[one, other].flatMap(({ url }) =>
			(['polling', 'websocket', 'upgrade'] as const).map((transport) => connectClient(t, url, { transport, reconnection: true })),
		),
	);
	for (const client of clients) {
		client.emit('join', 'room', () => undefined);
	}
	let round = 0;
	const timer = setInterval(() => {
		round++;
		for (const client of clients) {
			client.emit('shout', 'room', `${round}`);
		}
		// What is refused while a fault is made is the fault's doing; what arrives is counted by the pods.
		for (const attempt of [emitOverHttp(one), crossPods(one, other)]) {
			attempt.catch(() => undefined);
		}
		if (round % 5 === 0) {
			clients[1]?.io.engine?.close();
		}
	}, LOAD_EVERY_MS);
	t.after(() => clearInterval(timer));
}

/** To a room in which nobody is, so that every worker reads it for nothing. */
function emitOverHttp({ ports }: Pod): Promise<unknown> {
	const headers = { authorization: `Bearer ${API_TOKEN}`, 'content-type': 'application/json' };
	return send(
		`http://127.0.0.1:${ports.api}/emit`,
		{ method: 'POST', headers },
		JSON.stringify({ rooms: ['nobody'], event: 'heard', args: ['by http'] }),
	);
}

/** A session of one pod, ended by a request that the other pod gets. */
async function crossPods(one: Pod, other: Pod): Promise<unknown> {
	const sid = await openSession(one.url);
	const headers = { 'content-type': 'text/plain' };
	return send(pollingUrl(other.url, sid), { method: 'POST', headers }, ENGINE_CLOSE);
}

/** Onto the log, and to whoever listens to the namespace. */
const NONSENSE = `
local id = redis.call('XADD', KEYS[1], '*', 'what', 'is this')
return redis.call('PUBLISH', KEYS[1] .. ':namespace:/', id .. string.rep('\\0', 5))
`;

/** All but those of Redis itself. Each comes again until the scope ends: a rate needs two values that differ. */
async function makeFaults(t: TestContext, pod: Pod, redis: TestRedis): Promise<void> {
	const client = await connectClient(t, pod.url);
	client.emit('break-collector', true);
	const spared = (await askWhere(client)).worker;
	const stranger = io(pod.url, { transports: ['websocket'], forceNew: true, auth: { pid: 'nobody', offset: '1-1' } });
	t.after(() => void stranger.disconnect());
	repeat(t, async () => {
		connect(pod.ports.public, '127.0.0.1')
			.on('error', () => undefined)
			.end('NONSENSE\r\n\r\n');
		stranger.io.engine?.close();
		readNothing(t, pod.url);
		redisCli(redis, 'EVAL', NONSENSE, '1', STREAM);
		await send(pollingUrl(pod.url, 'not-a-session'));
		await delay(1000);
	});
	repeat(t, async (signal) => {
		const { workers } = await pod.status();
		const victim = workers.find(({ slot, state }) => slot !== spared && state === 'ready');
		if (victim) {
			// Silent for some scrapes, then dead.
			process.kill(victim.pid, 'SIGSTOP');
			await sleep(2500, signal);
			process.kill(victim.pid, 'SIGKILL');
		}
		await delay(500);
	});
}

function redisCli({ port }: TestRedis, ...args: readonly string[]): void {
	spawnSync('redis-cli', ['-p', String(port), ...args], { timeout: 1000 });
}

/** Runs it again and again until the scope ends. What fails while faults are made fails because of them. */
function repeat(t: TestContext, run: (signal: AbortSignal) => Promise<unknown>): void {
	const stop = new AbortController();
	const loop = async (): Promise<void> => {
		while (!stop.signal.aborted) {
			await run(stop.signal).catch(() => delay(200));
		}
	};
	const running = loop();
	t.after(async () => {
		stop.abort();
		await running;
	});
}

/** A client that asks for more than the kernel buffers, and does not read it. */
function readNothing(t: TestContext, url: string): void {
	const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
	socket.on('error', () => undefined);
	socket.on('open', () => socket.send('40'));
	socket.on('message', (data) => {
		if ((data as Buffer).toString().startsWith('40')) {
			socket.send(`42["flood",${FLOOD_BYTES}]`);
			socket.pause();
		}
	});
	t.after(() => socket.terminate());
}

/** The operator's process is not run here: its registry, with values made up, as its admin port would serve it. */
async function serveOperatorMetrics(t: TestContext): Promise<string> {
	const metrics = createMetrics('operator');
	const source = createTotals();
	const process = source.add('operator');
	metrics.set('socketfleet_operator_leader', {}, 1);
	metrics.set('socketfleet_operator_fleets', {}, 2);
	metrics.set('socketfleet_operator_queue_depth', {}, 0);
	metrics.set('socketfleet_operator_watch_age_seconds', { resource: 'pods' }, 12);
	const server = createServer((_req, res) => {
		metrics.inc('socketfleet_operator_reconciles_total', { result: 'done' });
		metrics.observe('socketfleet_operator_reconcile_seconds', {}, 0.02);
		metrics.inc('socketfleet_operator_api_requests_total', { verb: 'get', result: 'ok' });
		metrics.inc('socketfleet_operator_watch_restarts_total', { resource: 'pods', reason: 'timeout' });
		metrics.inc('socketfleet_operator_custom_metrics_requests_total', { status: '200' });
		void metrics.snapshot().then((snapshot) => {
			process.record(snapshot);
			res.end(renderExposition(source.merge().families));
		});
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.after(() => {
		server.close();
		server.closeAllConnections();
	});
	return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
