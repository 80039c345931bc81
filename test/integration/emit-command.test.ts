/** `socketfleet emit` as a process: through Redis and through a pod's HTTP API, and what its exit codes say. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { redisKeysOf } from '../../src/redis/keys.ts';
import { lastFirst } from '../support/last-first.ts';
import { findLoadedModules } from '../support/loaded-modules.ts';
import { startPod } from '../support/pod.ts';
import { freePort, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { connectWitness } from '../support/witness.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const APP = fileURLToPath(new URL('../fixtures/emit-app.ts', import.meta.url));
/** Each try starts a process. */
const PATIENCE = { timeoutMs: 60_000, everyMs: 100 };
const TOKEN = 'token-of-the-emit-command';
const { stream: STREAM } = redisKeysOf({ fleet: 'default', redisMode: 'standalone' });

interface Run {
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

function emit(args: readonly string[], { input = '', env = {} }: { input?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Run> {
	return new Promise((resolve, reject) => {
		const child = spawn(process.execPath, [CLI, 'emit', ...args], { env: { PATH: process.env.PATH, ...env } });
		let stdout = '';
		let stderr = '';
		child.stdout.setEncoding('utf8').on('data', (text: string) => {
			stdout += text;
		});
		child.stderr.setEncoding('utf8').on('data', (text: string) => {
			stderr += text;
		});
		child.once('error', reject);
		child.once('close', (code) => resolve({ code, stdout, stderr }));
		// A command that refuses its arguments does not read.
		child.stdin.on('error', () => undefined);
		child.stdin.end(input);
	});
}

function lines(count: number): string {
	return Array.from({ length: count }, (_, index) => JSON.stringify({ event: 'line', args: [index] })).join('\n');
}

test('through Redis', async (t) => {
	const scope = lastFirst(t);
	const redis = await startRedis(scope);
	const store = new Redis(redis.port);
	scope.after(() => store.disconnect());
	const written = async (): Promise<unknown[]> =>
		(await store.xrange(STREAM, '-', '+')).map(([, fields]) => JSON.parse(fields[7] ?? '').packet.data);

	const single = await emit(['--redis', redis.url, '--room', 'lobby', '--except', 'x', '--key', 'k', 'news', '{"a":1}', 'text']);
	assert.equal(single.code, 0, single.stderr);
	assert.match(single.stdout, /^\d+-\d+\n$/);
	const again = await emit(['--room', 'lobby', '--except', 'x', '--key', 'k', 'news', '{"a":1}', 'text'], {
		env: { SOCKETFLEET_REDIS_URL: redis.url },
	});
	assert.equal(again.stdout, single.stdout.replace('\n', ' (sent before)\n'));
	assert.deepEqual(await written(), [['news', { a: 1 }, 'text']]);

	await store.del(STREAM);
	const many = await emit(['--redis', redis.url, '--stdin', '--room', 'lobby'], { input: lines(2500) });
	assert.equal(many.code, 0, many.stderr);
	assert.match(many.stderr, /sent 2500, failed 0, \d+ lines\/s\n$/);
	assert.deepEqual(
		await written(),
		Array.from({ length: 2500 }, (_, index) => ['line', index]),
	);

	const configured = { SOCKETFLEET_REDIS_URL: redis.url, SOCKETFLEET_STREAM_MAX_ENTRIES: '1000' };
	const capped = await emit(['--stdin', '--room', 'lobby'], { input: lines(1), env: configured });
	assert.equal(capped.code, 0, capped.stderr);
	// Redis cuts whole nodes of a hundred entries.
	assert.ok((await store.xlen(STREAM)) < 1200, 'the cap of the configuration');

	await store.del(STREAM);
	const mixed = await emit(['--redis', redis.url, '--stdin'], { input: `${lines(2)}\nnot json\n{"event":"disconnect"}\n\n7\n${lines(1)}` });
	assert.equal(mixed.code, 2);
	assert.match(mixed.stderr, /^line 3: is not JSON/m);
	assert.match(mixed.stderr, /^line 4: .* Socket.IO keeps for itself/m);
	assert.match(mixed.stderr, /^line 6: is not a message/m);
	assert.match(mixed.stderr, /sent 3, failed 3, /);
	assert.equal((await written()).length, 3);
});

test('through the HTTP API of a pod', async (t) => {
	const scope = lastFirst(t);
	const redis = await startRedis(scope);
	const pod = await startPod(scope, { app: APP, options: { redisUrl: redis.url, apiTokens: TOKEN } });
	const url = `http://127.0.0.1:${pod.ports.api}`;
	const tokenFile = join(redis.dir, 'token');
	writeFileSync(tokenFile, `${TOKEN}\n`);
	const witness = await connectWitness(scope, pod.url, { rooms: ['lobby'] });
	await waitFor(
		'messages to flow',
		async () => {
			assert.equal((await emit(['--url', url, '--token-file', tokenFile, 'warm-up'])).code, 0);
			return witness.has('warm-up');
		},
		PATIENCE,
	);
	witness.clear();
	const many = await emit(['--url', url, '--stdin', '--room', 'lobby', 'line'], {
		input: Array.from({ length: 1200 }, (_, index) => index).join('\n'),
		env: { SOCKETFLEET_API_TOKENS: TOKEN },
	});
	assert.equal(many.code, 0, many.stderr);
	assert.match(many.stderr, /sent 1200, failed 0/);
	await waitFor('all lines', () => witness.events.length >= 1200);
	const lost = await emit(['--url', url, '--token', 'some-other-token-00', 'news']);
	assert.deepEqual([lost.code, lost.stderr], [9, 'socketfleet: this token is not known\n']);
	const counted = await pod.metric('socketfleet_emit_messages_total', { result: 'written' });
	assert.ok(counted >= 1200, String(counted));
});

test('exit codes: usage 2, nobody there 8', async () => {
	const port = await freePort();
	const runs = await Promise.all([
		emit([]),
		emit(['--unknown']),
		emit(['news', '--redis', 'http://localhost']),
		emit(['news'], { env: { SOCKETFLEET_REDIS_URL: '' } }),
		emit(['--url', `http://127.0.0.1:${port}`, 'news']),
		emit(['news', '--redis', `redis://127.0.0.1:${port}`, '--timeout-ms', '200']),
		emit(['news', '--url', `http://127.0.0.1:${port}`, '--token', TOKEN]),
	]);
	assert.deepEqual(
		runs.map(({ code }) => code),
		[2, 2, 2, 2, 2, 8, 8],
	);
	assert.match(runs[4].stderr, /the API wants a token/);
	assert.match(runs[5].stderr, /Redis was not ready within 200 ms \(connect ECONNREFUSED/);
});

test('the library loads neither the server of Socket.IO nor anything of a pod', async () => {
	const loaded = await findLoadedModules('src/index.ts');
	assert.ok(loaded.some((url) => url.endsWith('/src/emit/emitter.ts')));
	assert.ok(loaded.some((url) => url.includes('/node_modules/ioredis/')));
	const foreign =
		/\/node_modules\/(socket\.io(-adapter|-parser)?|engine\.io|ws|prom-client|@socket\.io)\/|\/src\/(adapter\/(?!servers\/partial-answer\.ts$)|(primary|operator|ipc|edge)\/)/;
	assert.deepEqual(
		loaded.filter((url) => foreign.test(url)),
		[],
	);
});
