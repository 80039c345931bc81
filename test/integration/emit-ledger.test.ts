/** What was answered 202 is in the stream: through a crash of the pod that answered and a restart of Redis. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { redisKeysOf } from '../../src/redis/keys.ts';
import { lastFirst } from '../support/last-first.ts';
import { type Pod, startPod } from '../support/pod.ts';
import { startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { connectWitness } from '../support/witness.ts';

const APP = fileURLToPath(new URL('../fixtures/emit-app.ts', import.meta.url));
const TOKEN = 'token-of-the-emit-ledger';
const { stream: STREAM } = redisKeysOf({ fleet: 'default', redisMode: 'standalone' });

interface Entry {
	readonly number: number;
	/** Of the 202; undefined: refused, or nobody answered. */
	readonly id: string | undefined;
}

/** Posts numbered events one after the other until it is told to stop; a refused or lost one is tried again under its key. */
class Ledger {
	readonly entries: Entry[] = [];
	#pods: readonly Pod[];
	#stopped = false;
	readonly #done: Promise<void>;

	constructor(pods: readonly Pod[]) {
		this.#pods = pods;
		this.#done = this.#run();
	}

	get accepted(): number {
		return this.entries.filter(({ id }) => id !== undefined).length;
	}

	async stop(): Promise<readonly Entry[]> {
		this.#stopped = true;
		await this.#done;
		return this.entries;
	}

	async #run(): Promise<void> {
		for (let number = 0; !this.#stopped; number++) {
			// Two attempts: the second, at the other pod, must not write twice what the first may have written.
			const id = (await post(this.#podFor(number), number)) ?? (await post(this.#podFor(number + 1), number));
			this.entries.push({ number, id });
		}
	}

	#podFor(number: number): Pod {
		const pod = this.#pods[number % this.#pods.length];
		assert.ok(pod);
		return pod;
	}
}

function post(pod: Pod, number: number): Promise<string | undefined> {
	return new Promise((resolve) => {
		const body = JSON.stringify({ event: 'ledger', args: [number], rooms: ['ledger'], idempotencyKey: `ledger-${number}` });
		const headers = { authorization: `Bearer ${TOKEN}`, 'content-length': Buffer.byteLength(body) };
		const req = request({ host: '127.0.0.1', port: pod.ports.api, path: '/emit', method: 'POST', headers, timeout: 10_000 }, (res) => {
			let text = '';
			res.setEncoding('utf8').on('data', (chunk: string) => {
				text += chunk;
			});
			res.once('end', () => resolve(res.statusCode === 202 ? (JSON.parse(text) as { id: string }).id : undefined));
			res.once('error', () => resolve(undefined));
		});
		req.once('timeout', () => req.destroy());
		req.once('error', () => resolve(undefined));
		req.end(body);
	});
}

test('what was answered 202 survives kill -9 of the pod and a restart of Redis, and arrives once, in the order of the stream', async (t) => {
	const scope = lastFirst(t);
	// 'no': each write reaches the kernel before its answer; the default may put it off while another is being synced.
	const redis = await startRedis(scope, { args: ['--appendonly', 'yes', '--appendfsync', 'no'] });
	const options = { redisUrl: redis.url, apiTokens: TOKEN, workers: 1 };
	const pods = await Promise.all([startPod(scope, { app: APP, options }), startPod(scope, { app: APP, options })]);
	const witness = await connectWitness(scope, pods[1].url, { rooms: ['ledger'] });
	const ledger = new Ledger(pods);
	await waitFor('events to be accepted', () => ledger.accepted >= 100);

	const beforeRestart = ledger.accepted;
	await redis.restart('SIGKILL');
	await waitFor('events to be accepted after the restart of Redis', () => ledger.accepted >= beforeRestart + 100);

	const beforeCrash = ledger.accepted;
	pods[0]?.kill('SIGKILL');
	await pods[0]?.exited;
	await waitFor('events to be accepted after the crash', () => ledger.accepted >= beforeCrash + 50);
	const entries = await ledger.stop();

	const store = new Redis(redis.port);
	await once(store, 'ready');
	scope.after(() => store.disconnect());
	const numbers = new Map<string, number>();
	const copies = new Map<number, number>();
	for (const [id, fields] of await store.xrange(STREAM, '-', '+')) {
		const { packet } = JSON.parse(fields[fields.indexOf('data') + 1] ?? '{}') as { packet?: { data: unknown[] } };
		if (packet?.data[0] === 'ledger') {
			const number = Number(packet.data[1]);
			numbers.set(id, number);
			copies.set(number, (copies.get(number) ?? 0) + 1);
		}
	}
	// It was connected to the pod that lived, all the time.
	const received = (): number[] => witness.events.filter(([name]) => name === 'ledger').map(([, number]) => Number(number));
	await waitFor('every event that is in the stream to arrive', () => received().length >= copies.size);
	assert.deepEqual(received(), [...numbers.values()]);
	const lost = entries.filter(({ id, number }) => id !== undefined && numbers.get(id) !== number);
	assert.deepEqual(lost, []);
	assert.deepEqual(
		[...copies].filter(([, count]) => count > 1),
		[],
	);
});
