/** What a pod, and its command line, do with what they should not have been given. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { envNameOf, flagNameOf, OPTION_KEYS } from '../../src/config/schema.ts';
import { runCli } from '../support/cli.ts';
import { ask, connectClient, ECHO_APP, openSession, send } from '../support/clients.ts';
import { type Pod, startPod } from '../support/pod.ts';
import { buildProxyV1 } from '../support/proxy-client.ts';
import { freePort, type Scope } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';

const SLOW_SOCKETS = 5000;

/** Sends `bytes`; resolves to what came back when the other side has closed the connection. */
function exchange(t: Scope, port: number, bytes: Buffer | string): Promise<string> {
	return new Promise((resolve) => {
		const socket = connect(port, '127.0.0.1');
		t.after(() => {
			socket.destroy();
		});
		let answer = '';
		socket.setEncoding('utf8').on('data', (text: string) => {
			answer += text;
		});
		socket.on('error', () => socket.destroy());
		socket.on('close', () => resolve(answer));
		socket.write(bytes);
	});
}

function rejected(pod: Pod, reason: string): Promise<number> {
	return pod.metric('socketfleet_rejected_connections_total', { reason });
}

const TOO_LARGE = `GET / HTTP/1.1\r\nHost: pod\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`;
const CUT_SHORT = 'GET / HTTP/1.1\r\nHost: pod\r\n';
/** A TLS client on a plain port. */
const GARBAGE = Buffer.from('16030100a5010000a10303', 'hex');

// In one case the primary reads the head, in the other Node's parser in the worker: a client can't tell them apart.
for (const addressSource of ['x-forwarded-for', 'socket'] as const) {
	test(`request heads that are late, too long or none, address source ${addressSource}: answered and counted`, async (t) => {
		const pod = await startPod(t, { app: ECHO_APP, options: { addressSource, headTimeoutMs: 2000 } });
		const { public: port } = pod.ports;
		const [late, large, garbage] = await Promise.all([
			exchange(t, port, CUT_SHORT),
			exchange(t, port, TOO_LARGE),
			exchange(t, port, GARBAGE),
		]);
		assert.match(late, /^HTTP\/1\.1 408 Request Timeout\r\n/);
		assert.match(large, /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
		assert.match(garbage, /^HTTP\/1\.1 400 Bad Request\r\n/);
		for (const answer of [late, large, garbage]) {
			assert.match(answer, /\r\nConnection: close\r\n/);
		}
		for (const reason of ['head_timeout', 'head_too_large', 'bad_head']) {
			assert.equal(await rejected(pod, reason), 1, reason);
		}
		await openSession(pod.url);
	});
}

test('broken PROXY headers, and PROXY headers of strangers: closed without a word, and counted', async (t) => {
	const options = { addressSource: 'proxy-protocol', headTimeoutMs: 2000, trustedProxies: '127.0.0.1/32' };
	const pod = await startPod(t, { app: ECHO_APP, options });
	const { public: port } = pod.ports;
	const broken = [
		'GET / HTTP/1.1\r\nHost: pod\r\n\r\n',
		'PROXY TCP4 256.0.0.1 1.1.1.1 1 1\r\n',
		'PROXY TCP9 a b c d\r\n',
		Buffer.alloc(40),
	];
	for (const bytes of broken) {
		assert.equal(await exchange(t, port, bytes), '');
	}
	assert.equal(await rejected(pod, 'bad_proxy_header'), broken.length);
	const stranger = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' });
	stranger.on('error', () => stranger.destroy());
	stranger.write(buildProxyV1({ address: '203.0.113.7', port: 1 }));
	await once(stranger, 'close');
	assert.equal(await rejected(pod, 'bad_proxy_header'), broken.length + 1);
	assert.match(await exchange(t, port, 'PROXY TCP4 '), /^HTTP\/1\.1 408 /);
});

test('5,000 sockets that never finish their head keep nobody out; beyond the cap the oldest goes', async (t) => {
	const options = { addressSource: 'x-forwarded-for', headTimeoutMs: 600_000, maxPendingHeads: SLOW_SOCKETS };
	const pod = await startPod(t, { app: ECHO_APP, options });
	const slow = new Set<Socket>();
	t.after(() => {
		for (const socket of slow) {
			socket.destroy();
		}
	});
	const open = async (): Promise<Socket> => {
		const socket = connect(pod.ports.public, '127.0.0.1');
		slow.add(socket);
		socket.on('error', () => socket.destroy()).on('close', () => slow.delete(socket));
		await once(socket, 'connect');
		socket.write(CUT_SHORT);
		return socket;
	};
	const first = await open();
	const firstClosed = once(first.resume(), 'close');
	for (let batch = 0; batch < SLOW_SOCKETS / 100; batch++) {
		await Promise.all(Array.from({ length: 100 }, open));
	}
	await firstClosed;
	const clients = await Promise.all(Array.from({ length: 10 }, () => connectClient(t, pod.url, { transport: 'upgrade' })));
	assert.deepEqual(
		await Promise.all(clients.map((client) => ask(client, 'echo', 'served'))),
		clients.map(() => 'served'),
	);
	// Each of the connections that were served had to make room for its own head.
	const cut = await rejected(pod, 'too_many_pending');
	assert.ok(cut >= 1 && cut < 200, `${cut} slow sockets were cut off`);
	assert.ok(slow.size > SLOW_SOCKETS - 200);
});

test('a port in use, and a wrong configuration, end the command with a code and sentences that say what to do', async (t) => {
	const taken = createServer().listen(0, '127.0.0.1');
	t.after(() => {
		taken.close();
	});
	await once(taken, 'listening');
	const address = taken.address();
	const port = String(typeof address === 'object' ? address?.port : undefined);
	for (const [option, other, name] of [
		['--port', '--admin-port', 'SOCKETFLEET_PORT'],
		['--admin-port', '--port', 'SOCKETFLEET_ADMIN_PORT'],
	] as const) {
		const { code, stdout } = await runCli(t, ['serve', ECHO_APP, '--host', '127.0.0.1', option, port, other, '0', '--workers', '1']);
		assert.equal(code, 5);
		assert.ok(stdout.includes(`port ${port} is in use: stop what listens there, or set ${name} to another`), stdout);
	}
	const kernel = ['--placement', 'kernel', '--host', '127.0.0.1', '--port', port, '--admin-port', '0', '--workers', '1'];
	assert.equal((await runCli(t, ['serve', ECHO_APP, ...kernel])).code, 5);

	const wrong = { SOCKETFLEET_PORT: '99999', SOCKETFLEET_WORKER: '3', SOCKETFLEET_REDIS_URL: 'redis://cache:6379' };
	const { code, stderr } = await runCli(t, ['serve', '--placement', 'random', '--ping-interval-ms', 'soon'], wrong);
	assert.equal(code, 3);
	assert.match(stderr, /^socketfleet: configuration: \d problems\n/);
	for (const problem of ['SOCKETFLEET_PORT', 'SOCKETFLEET_WORKER:', '--placement', '--ping-interval-ms']) {
		assert.ok(stderr.includes(`  - ${problem}`), stderr);
	}
	const lone = await runCli(t, ['serve'], { SOCKETFLEET_REDIS_URL: 'redis://cache:6379' });
	assert.deepEqual([lone.code, /fleetKey|SOCKETFLEET_FLEET_KEY/.test(lone.stderr)], [3, true], lone.stderr);
});

test('the command line: unknown commands, help, version, and a configuration without its secrets', async (t) => {
	const unknown = await runCli(t, ['serv']);
	assert.equal(unknown.code, 2);
	assert.match(unknown.stderr, /unknown command 'serv'/);
	const badFlag = await runCli(t, ['serve', '--colour', 'blue']);
	assert.deepEqual([badFlag.code, /unknown option '--colour'/.test(badFlag.stderr)], [2, true]);
	const help = await runCli(t, ['--help']);
	assert.deepEqual([help.code, help.stderr], [0, '']);
	assert.match(help.stdout, /Examples:\n {2}socketfleet serve /);
	const serveHelp = (await runCli(t, ['serve', '--help'])).stdout;
	for (const key of OPTION_KEYS) {
		assert.ok(serveHelp.includes(`${flagNameOf(key)} <value>`) && serveHelp.includes(`[${envNameOf(key)}]`), key);
	}
	assert.match((await runCli(t, ['version'])).stdout, /^\d+\.\d+\.\d+\n$/);

	const dir = mkdtempSync(join(tmpdir(), 'socketfleet-config-'));
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	const file = join(dir, 'config.json');
	writeFileSync(file, JSON.stringify({ workers: 3, apiTokens: ['secret-token-0123456789'] }));
	const secrets = {
		SOCKETFLEET_FLEET_KEY: 'secret-key-0123456789',
		SOCKETFLEET_REDIS_URL: 'redis://user:secret@cache:6379',
		SOCKETFLEET_ADMIN_TOKEN: 'secret-admin-0123456789',
	};
	const table = await runCli(t, ['config', '--config', file, '--port', '4000'], secrets);
	const json = await runCli(t, ['config', '--json', '--config', file, '--port', '4000'], secrets);
	assert.deepEqual([table.code, json.code], [0, 0]);
	assert.ok(!/secret/.test(table.stdout + json.stdout), table.stdout);
	assert.match(table.stdout, /^port +4000 +flag$/m);
	assert.match(table.stdout, /^host +default$/m);
	assert.ok(table.stdout.split('\n').some((line) => /^workers +3 /.test(line) && line.endsWith(file)));
	const values = JSON.parse(json.stdout) as Record<string, { value: unknown; from: string }>;
	assert.deepEqual(values.port, { value: 4000, from: 'flag' });
	assert.deepEqual([values.workers?.value, values.workers?.from], [3, 'file']);
	assert.equal(values.fleetKey?.from, 'environment');
});

test('status of a pod, as a table and as JSON; the admin token guards it', async (t) => {
	const adminToken = 'admin-token-0123456789';
	const port = await freePort();
	const nobody = await runCli(t, ['status', '--url', `http://127.0.0.1:${port}`]);
	assert.equal(nobody.code, 8);
	assert.match(
		nobody.stderr,
		/^socketfleet: no pod answers at http:\/\/127\.0\.0\.1:\d+: .+; start one with "socketfleet serve", or give --url\n$/,
	);

	const pod = await startPod(t, { app: ECHO_APP, options: { workers: 2 } });
	await connectClient(t, pod.url);
	const table = await runCli(t, ['status', '--url', pod.adminUrl]);
	assert.equal(table.code, 0);
	assert.match(table.stdout, /^pod \S{4} of fleet default, socketfleet \S+: ready\nconnections 1, tunnels 0/);
	assert.equal(table.stdout.match(/^[01] +ready +\d+ +[01] +\d+ MiB +0$/gm)?.length, 2, table.stdout);
	const json = await runCli(t, ['status', '--json', '--url', pod.adminUrl]);
	assert.equal((JSON.parse(json.stdout) as { connections: number }).connections, 1);

	const guarded = await startPod(t, { app: ECHO_APP, options: { workers: 1, adminToken }, waitForReady: false });
	const statusOf = async (path: string, token?: string) =>
		(await send(`${guarded.adminUrl}${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })).status;
	await waitFor('readiness', async () => (await statusOf('/readyz')) === 200);
	assert.deepEqual(await Promise.all(['/livez', '/metrics', '/status'].map((path) => statusOf(path))), [200, 401, 401]);
	assert.deepEqual(await Promise.all(['/metrics', '/status'].map((path) => statusOf(path, 'wrong-token-0123456789'))), [401, 401]);
	assert.deepEqual(await Promise.all(['/metrics', '/status'].map((path) => statusOf(path, adminToken))), [200, 200]);
	const denied = await runCli(t, ['status', '--url', guarded.adminUrl]);
	assert.deepEqual([denied.code, /wants its admin token: give --token/.test(denied.stderr)], [9, true], denied.stderr);
	assert.equal((await runCli(t, ['status', '--url', guarded.adminUrl, '--token', adminToken])).code, 0);

	assert.equal((await send(`${pod.adminUrl}/nothing`)).status, 404);
	assert.equal((await send(`${pod.adminUrl}/status`, { method: 'POST' })).status, 405);
	assert.equal((await send(`${pod.adminUrl}/log-level?level=loud`, { method: 'PUT' })).status, 400);
	assert.equal((await send(`${pod.adminUrl}/log-level?level=debug`, { method: 'PUT' })).status, 200);
});
