/** The recipes, as printed: real nginx and HAProxy run the files of docs/recipes with only ports and paths put in. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import type { OptionKey } from '../../src/config/schema.ts';
import { type Pod, startPod } from '../support/pod.ts';
import { freePort, type Scope, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';

const RECIPES = fileURLToPath(new URL('../../docs/recipes/', import.meta.url));
const PATIENCE = { timeoutMs: 60_000, everyMs: 50 };
const PODS = 3;
const PUBLIC_PORT = 8080;
const TRANSPORTS: readonly (readonly string[])[] = [['polling'], ['polling', 'websocket'], ['websocket']];
/** Each in a /24 of its own, since ip_hash looks no further. */
const ADDRESSES = Array.from({ length: 12 }, (_, index) => `127.0.${index + 1}.1`);

test('nginx with ip_hash in front of one-worker pods', { timeout: 240_000 }, async (t) => {
	const pods = await startPods(t, { workers: 1, addressSource: 'x-forwarded-for', trustedProxies: '127.0.0.1/32' });
	const url = await startProxy(t, 'nginx-ip-hash/nginx.conf', pods, (file, dir) => ({
		command: 'nginx',
		args: ['-c', file, '-p', dir, '-e', 'stderr', '-g', 'daemon off;'],
	}));
	await checkFleet(t, url, pods);
});

test('HAProxy with PROXY protocol in front of pods', { timeout: 240_000 }, async (t) => {
	const pods = await startPods(t, { workers: 2, addressSource: 'proxy-protocol', trustedProxies: '127.0.0.1/32' });
	const url = await startProxy(t, 'haproxy/haproxy.cfg', pods, (file) => ({ command: 'haproxy', args: ['-db', '-f', file] }));
	await checkFleet(t, url, pods);
});

test('the systemd unit is valid, and hardened', async (t) => {
	const dir = scratch(t);
	const unit = join(dir, 'socketfleet.service');
	const text = readFileSync(`${RECIPES}systemd/socketfleet.service`, 'utf8');
	// The one thing that this machine lacks: an installed socketfleet.
	writeFileSync(unit, text.replace('/usr/local/bin/socketfleet', process.execPath));

	const verified = await run('systemd-analyze', ['verify', unit]);
	assert.equal(verified.code, 0, verified.output);
	assert.doesNotMatch(verified.output, /socketfleet\.service/);
	// In tenths: 0 is the most confined, 100 a service with every right.
	const security = await run('systemd-analyze', ['security', '--offline=yes', '--threshold=16', unit]);
	assert.equal(security.code, 0, security.output);
});

/** What must hold behind any proxy: every transport works, the application sees who the client is, clients are spread, and all hear all. */
async function checkFleet(t: TestContext, url: string, pods: readonly Pod[]): Promise<void> {
	const clients = ADDRESSES.map((address, index) => connectFrom(t, url, address, TRANSPORTS[index % TRANSPORTS.length] ?? []));
	for (const { address, socket, transports, inRoom } of clients) {
		await inRoom();
		await waitFor('the last transport', () => socket.io.engine.transport.name === transports.at(-1), PATIENCE);
		assert.equal((await ask<Holder>(socket, 'presence:hello')).address, address);
	}
	const held = await holdersOf(clients);
	assert.ok(new Set(held).size > 1, `all clients are held by ${held[0]}`);

	for (const { socket, address } of clients) {
		assert.ok(!('error' in (await ask<object>(socket, 'chat:send', { room: 'lobby', text: `from ${address}` }))));
	}
	const expected = ADDRESSES.map((address) => `from ${address}`).sort();
	for (const { heard, address } of clients) {
		await waitFor(`all messages at ${address}`, () => heard.length >= expected.length, PATIENCE);
		assert.deepEqual([...heard].sort(), expected);
	}
	// "Session ID unknown", for whatever reason.
	for (const pod of pods) {
		assert.equal(await pod.metric('socketfleet_unknown_sessions_total'), 0);
	}

	// Who comes back with a new session is given to the same pod. Repeated, since the proxy may find a slow pod unhealthy for a while.
	const comeBack = async (): Promise<boolean> => {
		for (const { socket, inRoom } of clients) {
			socket.disconnect().connect();
			await inRoom();
		}
		return JSON.stringify(await holdersOf(clients)) === JSON.stringify(held);
	};
	await waitFor('each address at the pod it was at', comeBack, PATIENCE);
}

interface Client {
	readonly address: string;
	readonly transports: readonly string[];
	readonly socket: Socket;
	/** Texts of the chat, in order of arrival. */
	readonly heard: readonly string[];
	/** Resolves when it is connected and in the room. */
	inRoom(): Promise<void>;
}

/** What the demo answers to `presence:hello`. */
interface Holder {
	readonly pod: string;
	readonly address: string;
}

function connectFrom(t: Scope, url: string, address: string, transports: readonly string[]): Client {
	const agent = new Agent({ localAddress: address, keepAlive: true });
	const options: Partial<ManagerOptions & SocketOptions> = { transports: [...transports], forceNew: true, timeout: 60_000 };
	// The client's types know the agent of Engine.IO 3 only; it is handed to `http` and `ws` as it is.
	const socket = io(url, Object.assign(options, { agent }));
	t.after(() => {
		socket.disconnect();
		agent.destroy();
	});
	const heard: string[] = [];
	let joined = false;
	socket.on('chat:message', ({ text }: { text: string }) => heard.push(text));
	socket.on('connect', () => {
		socket.emit('chat:join', { room: 'lobby' }, () => {
			joined = true;
		});
	});
	socket.on('disconnect', () => {
		joined = false;
	});
	const inRoom = async (): Promise<void> => {
		await waitFor(`the client at ${address}`, () => joined, PATIENCE);
	};
	return { address, transports, socket, heard, inRoom };
}

async function ask<T>(socket: Socket, event: string, input: object = {}): Promise<T> {
	return (await socket.timeout(PATIENCE.timeoutMs).emitWithAck(event, input)) as T;
}

async function holdersOf(clients: readonly Client[]): Promise<string[]> {
	return Promise.all(clients.map(async ({ socket }) => (await ask<Holder>(socket, 'presence:hello')).pod));
}

async function startPods(t: Scope, options: Partial<Record<OptionKey, unknown>>): Promise<Pod[]> {
	const redis = await startRedis(t);
	const all = { ...options, redisUrl: redis.url, advertiseHost: '127.0.0.1' };
	const pods: Pod[] = [];
	for (let i = 0; i < PODS; i++) {
		pods.push(await startPod(t, { options: all }));
	}
	await waitFor(
		'the pods to know each other',
		async () => {
			const known = await Promise.all(pods.map(async (pod) => (await pod.status()).pods.length));
			return known.every((count) => count === PODS);
		},
		PATIENCE,
	);
	return pods;
}

type Launch = (file: string, dir: string) => { readonly command: string; readonly args: readonly string[] };

/** Starts a proxy with the recipe's file. Free ports can be taken by others before it binds them: then it tries the next. */
async function startProxy(t: Scope, recipe: string, pods: readonly Pod[], launch: Launch): Promise<string> {
	const dir = scratch(t);
	const file = join(dir, 'proxy.conf');
	const text = readFileSync(RECIPES + recipe, 'utf8');
	let last = '';
	for (let attempt = 0; attempt < 5; attempt++) {
		const port = await freePort();
		writeFileSync(file, fillIn(text, port, pods, dir));
		const { command, args } = launch(file, dir);
		const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
		let output = '';
		for (const stream of [child.stdout, child.stderr]) {
			stream.setEncoding('utf8').on('data', (chunk: string) => {
				output += chunk;
			});
		}
		t.after(() => stop(child));
		const url = `http://127.0.0.1:${port}`;
		const up = await waitFor(
			`${command} on port ${port}`,
			async () => {
				if (child.exitCode !== null) {
					return 'ended';
				}
				return (await fetch(url)).ok && 'up';
			},
			PATIENCE,
		);
		if (up === 'up') {
			return url;
		}
		last = output;
	}
	throw new Error(`${recipe}: did not start in 5 attempts\n${last}`);
}

/** The recipe with this test's ports and a folder of its own; whatever else it says stays. */
function fillIn(text: string, port: number, pods: readonly Pod[], dir: string): string {
	let filled = text
		.replace(`listen ${PUBLIC_PORT};`, `listen 127.0.0.1:${port};`)
		.replace(`bind :${PUBLIC_PORT}`, `bind 127.0.0.1:${port}`)
		.replaceAll(/\/(run|var\/log\/nginx)\//g, `${dir}/`);
	for (const [index, pod] of pods.entries()) {
		filled = filled
			.replace(`127.0.0.1:300${index + 1}`, `127.0.0.1:${pod.ports.public}`)
			.replace(`port 947${index + 1}`, `port ${pod.ports.admin}`);
	}
	return filled;
}

function scratch(t: Scope): string {
	const dir = mkdtempSync(join(tmpdir(), 'socketfleet-recipe-'));
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	return dir;
}

async function stop(child: ChildProcess): Promise<void> {
	if (child.exitCode === null && child.signalCode === null) {
		const gone = once(child, 'exit');
		child.kill('SIGTERM');
		await gone;
	}
}

function run(command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
	return new Promise((resolve) => {
		execFile(command, args, (error, stdout, stderr) => {
			resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr });
		});
	});
}
