/** What the emit API of one worker takes in. */
import { setTimeout as delay } from 'node:timers/promises';
import { startPod } from '../support/pod.ts';
import { startRedis } from '../support/redis-server.ts';
import { compile } from './support/compile.ts';
import { PostConnection } from './support/http-load.ts';
import { measureCpu } from './support/proc.ts';
import type { Row } from './support/record.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { percentile, round } from './support/stats.ts';

const TOKEN = 'token-of-the-benchmark';
const CONNECTIONS = 32;
const BATCH = 100;
/** 200 bytes as a body of its own. */
const MESSAGE = { event: 'news', rooms: ['room'], args: [{ text: 'x'.repeat(138) }] };
const SINGLE_BODY = JSON.stringify(MESSAGE);
const BATCH_BODY = JSON.stringify({ messages: Array.from({ length: BATCH }, () => MESSAGE) });
/** Half of the receipts a second that are promised. */
const LATENCY_PER_SECOND = 4000;
const TICK_MS = 5;

async function post(connection: PostConnection, body: string): Promise<void> {
	const status = await connection.post(body);
	if (status !== 202) {
		throw new Error(`the API answered ${status}`);
	}
}

/** Every connection posts as fast as it is answered. */
async function flood(connections: readonly PostConnection[], body: string, requests: number): Promise<void> {
	let left = requests;
	await Promise.all(
		connections.map(async (connection) => {
			while (left > 0) {
				left--;
				await post(connection, body);
			}
		}),
	);
}

/** Requests at a steady rate, whatever the answers do; times are from when a request was due. */
async function measureLatency(connections: readonly PostConnection[], seconds: number): Promise<number[]> {
	const times: number[] = [];
	const idle = [...connections];
	const due: number[] = [];
	const pending = new Set<Promise<void>>();
	const startNext = (): void => {
		for (let connection = idle.pop(); connection; connection = idle.pop()) {
			const at = due.shift();
			if (at === undefined) {
				idle.push(connection);
				return;
			}
			const free = connection;
			const work = post(free, SINGLE_BODY).then(() => {
				times.push(performance.now() - at);
				pending.delete(work);
				idle.push(free);
				startNext();
			});
			pending.add(work);
		}
	};
	const startedAt = performance.now();
	let started = 0;
	for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - startedAt) {
		for (; started < (elapsed * LATENCY_PER_SECOND) / 1000; started++) {
			due.push(startedAt + (started * 1000) / LATENCY_PER_SECOND);
		}
		startNext();
		await delay(TICK_MS);
	}
	while (pending.size > 0 || due.length > 0) {
		await Promise.race(pending);
	}
	return times;
}

async function measureFlood(
	subject: string,
	pid: number,
	connections: readonly PostConnection[],
	{ body, requests, perRequest }: { readonly body: string; readonly requests: number; readonly perRequest: number },
): Promise<Row> {
	await flood(connections, body, Math.ceil(requests / 5));
	const { cpuMs, wallMs } = await measureCpu([pid], () => flood(connections, body, requests));
	const messages = requests * perRequest;
	return {
		subject,
		values: { perCpuSecond: Math.round((messages * 1000) / cpuMs), perSecond: Math.round((messages * 1000) / wallMs) },
	};
}

async function measure({ scope, size, say }: BenchContext): Promise<readonly Row[]> {
	const redis = await startRedis(scope);
	const { cli, app } = compile();
	const options = {
		redisUrl: redis.url,
		apiTokens: TOKEN,
		apiRatePerSecond: 10_000_000,
		workers: 1,
		drainSpreadMs: 0,
		drainTimeoutMs: 1000,
	};
	const pod = await startPod(scope, { cli, app, options });
	const target = { port: pod.ports.api ?? 0, path: '/emit', token: TOKEN };
	const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => PostConnection.open(target)));
	scope.after(() => {
		for (const connection of connections) {
			connection.close();
		}
	});
	say('one message in a request');
	const single = await measureFlood('one message in a request', pod.pid, connections, {
		body: SINGLE_BODY,
		requests: size(100_000, 5000),
		perRequest: 1,
	});
	say('batches');
	const batches = await measureFlood('batches of 100', pod.pid, connections, {
		body: BATCH_BODY,
		requests: size(5000, 200),
		perRequest: BATCH,
	});
	say('latency');
	const times = await measureLatency(connections, size(15, 2));
	return [
		single,
		batches,
		{
			subject: `${LATENCY_PER_SECOND} requests a second`,
			values: { p50Ms: round(percentile(times, 0.5)), p99Ms: round(percentile(times, 0.99)) },
		},
	];
}

await runProgram('emit-api', measure);
