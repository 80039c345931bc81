/** `kubectl socketfleet` over two real pods, behind an API server that knows them and forwards ports to them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createEmitter } from '../../src/index.ts';
import { probeRoute } from '../../src/kubectl/doctor/probe.ts';
import { failWith } from '../support/api-server.ts';
import { type CliResult, runCli, startCli } from '../support/cli.ts';
import { connectClient, ECHO_APP } from '../support/clients.ts';
import { DEPLOYMENTS, INGRESSES, type KubeFleet, NAMESPACE, startKubeFleet } from '../support/kube-fleet.ts';
import { type Pod, startPod } from '../support/pod.ts';
import { startRedis, type TestRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';

const CLIENTS = 4;
const PATIENCE = { timeoutMs: 60_000 };
/** As few as can be: a stream that is soon too short. */
const MAX_ENTRIES = 1000;

interface World extends KubeFleet {
	readonly redis: TestRedis;
	readonly first: Pod;
	readonly second: Pod;
	run(...args: string[]): Promise<CliResult>;
}

/** Two pods of one fleet that know each other. */
async function startWorld(t: TestContext): Promise<World> {
	const redis = await startRedis(t);
	const drain = { drainDelayMs: 100, drainSpreadMs: 300, drainTimeoutMs: 5000 };
	const options = { redisUrl: redis.url, workers: 1, streamMaxEntries: MAX_ENTRIES, ...drain };
	const [first, second] = await Promise.all([startPod(t, { app: ECHO_APP, options }), startPod(t, { app: ECHO_APP, options })]);
	await waitFor('the pods to know each other', async () =>
		(await Promise.all([first.status(), second.status()])).every(({ pods }) => pods.length === 2),
	);
	const world = await startKubeFleet(t, { 'chat-1': first, 'chat-2': second });
	return { ...world, redis, first, second, run: (...args) => runCli(t, args, world.env, 'kubectl-socketfleet') };
}

test('status, top, rebalance and drain over the pods of a fleet', async (t) => {
	const { first, second, run, env, putPod } = await startWorld(t);
	await Promise.all(Array.from({ length: CLIENTS }, () => connectClient(t, first.url)));

	const status = await run('status');
	assert.equal(status.code, 0, status.stderr);
	assert.match(
		status.stdout,
		/^fleet chat in namespace demo, a Helm release, socketfleet \S+\n2 of 2 pods ready, 4 connections, 2 workers\n/,
	);
	assert.match(status.stdout, /^chat-1 +ready +4 +1\/1 +\S+ +\d+d +node-1$/m);
	const json = JSON.parse((await run('status', 'chat', '-o', 'json')).stdout) as { connections: number; podList: object[] };
	assert.deepEqual([json.connections, json.podList.length], [CLIENTS, 2]);

	const top = await run('top', '--once');
	assert.equal(top.code, 0, top.stderr);
	assert.match(top.stdout, /^fleet chat in namespace demo: 2 of 2 pods answer, 4 connections, \S+ opened/);
	assert.match(top.stdout, /^chat-2 +ready +0 +0\/s +0\/s +0\/s +0\/s +\d+ % +\d+ % +1\/1 +\d+ MiB$/m);
	const live = startCli(t, ['top', '--interval', '0.5', '-o', 'json'], env, 'kubectl-socketfleet');
	await waitFor(
		'two looks',
		() =>
			live
				.output()
				.split('\n')
				.filter((line) => line.includes('"rates":{')).length >= 2,
	);
	live.child.kill('SIGINT');
	assert.equal((await live.ended).code, 0, live.output());

	assert.equal((await run('rebalance')).code, 2, 'it only says what would be done');
	const rebalance = await run('rebalance', '--dry-run');
	assert.equal(rebalance.code, 0, rebalance.stderr);
	assert.match(rebalance.stdout, /^fleet chat: nobody rebalances .*\n[\s\S]*^chat-1 +4 +0$[\s\S]*Nothing: 4 connections are fewer than/m);

	const drain = await run('drain', 'chat-1');
	assert.equal(drain.code, 0, drain.stderr);
	assert.match(
		drain.stdout,
		/^pod chat-1 is out of service; its 4 connections are closed within 0\.4 s\n[\s\S]*pod chat-1 is empty; it stays/,
	);
	assert.deepEqual([(await first.status()).cordoned, (await first.status()).connections], [true, 0]);
	putPod('chat-1', { status: { conditions: [{ type: 'Ready', status: 'False' }] } });
	const last = await run('drain', 'chat-2');
	assert.deepEqual([last.code, /the only one that is ready/.test(last.stderr)], [2, true], last.stderr);
	assert.equal((await second.status()).cordoned, false);
	const back = await run('drain', 'chat-1', '--undo', '-o', 'json');
	assert.deepEqual(JSON.parse(back.stdout), { pod: 'chat-1', state: 'in service', closed: 0 });
	assert.equal((await first.status()).cordoned, false);
});

test('doctor: nothing on a fleet that is well; faults in objects, pods and requests when they are made', async (t) => {
	const { api, redis, first, second, run, putPod, ports } = await startWorld(t);
	const ask = async (...args: string[]): Promise<{ code: number | null; ids: string[] }> => {
		const { code, stdout, stderr } = await run('doctor', 'chat', '-o', 'json', ...args);
		assert.ok(stdout.startsWith('{'), stderr);
		const { findings } = JSON.parse(stdout) as { findings: { id: string; seen: string }[] };
		return { code, ids: findings.map(({ id }) => id) };
	};
	// Whether this machine limits their memory is not theirs to say.
	const unlimited = ['memory-unlimited'];
	const well = await ask('--url', first.url);
	assert.deepEqual([well.code, well.ids.filter((id) => !unlimited.includes(id))], [0, []]);
	assert.equal((await first.status()).connections, 0, 'the sessions of the probe are closed again');

	const nowhere = await run('doctor', '--url', 'http://127.0.0.1:9/');
	assert.equal(nowhere.code, 10, nowhere.stdout);
	assert.match(nowhere.stdout, /^ERROR route-unreachable\n {2}http:\/\/127\.0\.0\.1:9\/socket\.io\/: .*ECONNREFUSED/m);
	assert.match(nowhere.stderr, /fleet chat is not well: route-unreachable$/m);

	const annotations = { 'nginx.ingress.kubernetes.io/proxy-read-timeout': '20' };
	const backend = { service: { name: 'chat', port: { name: 'http' } } };
	api.put(INGRESSES, 'chat', {
		metadata: { name: 'chat', namespace: NAMESPACE, resourceVersion: '9', annotations },
		spec: { rules: [{ http: { paths: [{ backend }] } }] },
	});
	putPod('chat-2', { spec: { terminationGracePeriodSeconds: 3 } });
	const sick = await ask('--no-requests');
	assert.equal(sick.code, 10);
	assert.deepEqual(sick.ids.filter((id) => !unlimited.includes(id)).sort(), ['grace-short', 'idle-timeout']);

	putPod('chat-2');
	ports.set('chat-2', undefined);
	const silent = await run('doctor', '--no-requests');
	assert.match(silent.stdout, /^ERROR pod-silent\n {2}pod chat-2: .*failed to connect to localhost/m);
	assert.equal((await second.status()).ready, true);
	ports.set('chat-2', second.ports.admin);

	await overflow(redis.url);
	await waitFor('a pod to see that the stream is short', async () => (await first.status()).reasons.length > 0, PATIENCE);
	assert.ok((await ask('--no-requests')).ids.includes('retention-short'));
	await redis.stop();
	await waitFor('the pod to miss Redis', async () => (await first.metric('socketfleet_redis_up')) === 0, PATIENCE);
	const without = await ask('--no-requests');
	assert.deepEqual([without.code, without.ids.includes('redis-away')], [10, true], without.ids.join());
});

/** More messages than the stream may hold, within moments. */
async function overflow(url: string): Promise<void> {
	const emitter = createEmitter({ redis: url, maxEntries: MAX_ENTRIES });
	for (let batch = 0; batch < 6; batch++) {
		await emitter.batch(Array.from({ length: MAX_ENTRIES / 2 }, () => ({ event: 'tick', args: [] })));
	}
	await emitter.close();
}

test('the probe of a public address sends one request of a session at a time, with and without the cookie that it was given', async (t) => {
	const atOnce = new Map<string, number>();
	const seen = new Set<string>();
	let most = 0;
	const server = createServer((req, res) => {
		const sid = new URL(req.url ?? '/', 'http://probe').searchParams.get('sid');
		if (sid === null) {
			res.setHeader('Set-Cookie', 'balancer=a; Path=/').end(`0{"sid":"pod1A${randomBytes(12).toString('base64url').slice(0, 15)}"}`);
			return;
		}
		seen.add(String(req.headers.cookie));
		const now = (atOnce.get(sid) ?? 0) + 1;
		atOnce.set(sid, now);
		most = Math.max(most, now);
		setTimeout(() => {
			atOnce.set(sid, (atOnce.get(sid) ?? 0) - 1);
			res.end('ok');
		}, 20);
	}).listen(0, '127.0.0.1');
	t.after(() => server.close());
	await once(server, 'listening');
	const { port } = server.address() as AddressInfo;
	const probe = await probeRoute({ url: `http://127.0.0.1:${port}/socket.io/`, transports: ['polling'] });
	assert.deepEqual(
		[probe.failure, probe.refusals, probe.cookies, new Set(probe.withCookie)],
		[undefined, [], ['balancer'], new Set(['pod1'])],
	);
	assert.equal(most, 1);
	assert.deepEqual([...seen].sort(), ['balancer=a', 'undefined']);
});

type Run = (...args: string[]) => Promise<CliResult>;

async function fails(run: Run, args: readonly string[], code: number, pattern: RegExp): Promise<void> {
	const result = await run(...args);
	assert.deepEqual([result.code, pattern.test(result.stderr)], [code, true], `${args.join(' ')}: ${result.stderr}${result.stdout}`);
}

test('what goes wrong is said so that one can act on it: names, flags, the cluster', async (t) => {
	// No pod is asked.
	const { api, env } = await startKubeFleet(t, {});
	const run: Run = (...args) => runCli(t, args, env, 'kubectl-socketfleet');
	await fails(run, ['top', 'none'], 2, /no fleet none in namespace demo; there are: chat$/m);
	await fails(run, ['doctor', '-n', 'empty'], 2, /no fleets in namespace empty: name another with --namespace/);
	await fails(run, ['drain', 'chat-9'], 2, /no pod chat-9 of a fleet in namespace demo; there are: none/);
	await fails(run, ['status', '--context', 'none'], 8, /no context "none" in the kubeconfig; there are: test/);
	await fails(run, ['status', '--kubeconfig', '/nowhere'], 8, /the kubeconfig can't be read: .*ENOENT/);
	await fails(run, ['status', '-o', 'yaml'], 2, /Allowed choices are table, json/);
	await fails(run, ['doctor', '--url', 'chat.example.com'], 2, /--url must be an address such as https:/);

	const message = 'deployments.apps is forbidden: User "ann" cannot list resource "deployments" in API group "apps"';
	const isDeployments = ({ url = '' }: IncomingMessage): boolean => url.startsWith(DEPLOYMENTS);
	api.faults.push(failWith(403, { reason: 'Forbidden', message }, isDeployments));
	await fails(run, ['status'], 9, /the cluster does not allow it: .*User "ann" cannot list resource "deployments"/);
	api.faults.push(failWith(401, { reason: 'Unauthorized', message: 'Unauthorized' }, isDeployments));
	await fails(run, ['status'], 9, /the cluster does not know you: .*log in again/);
	api.server.close();
	api.server.closeAllConnections();
	await fails(run, ['status'], 8, /the cluster at http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*is it the right context\?/);
});

test('what goes wrong is said so that one can act on it: the way to the pods', async (t) => {
	const { run, ports } = await startWorld(t);
	ports.set('chat-2', 'forbidden');
	for (const command of [['status'], ['top'], ['doctor', '--no-requests']]) {
		await fails(run, command, 9, /port-forward to pod chat-2: not allowed; it takes the verbs get and create on pods\/portforward/);
	}
	ports.set('chat-2', undefined);
	const rest = await run('status');
	assert.equal(rest.code, 0, rest.stderr);
	assert.match(rest.stdout, /^! pod chat-2: .*failed to connect/m);
});
