/** What becomes of a pod whose workers die, hang, never start, or are replaced. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FORK_ENV, type ForkIdentity } from '../../src/config/fork.ts';
import { startCli } from '../support/cli.ts';
import { askWhere, connectClient, ECHO_APP, openSession, pollingUrl, send } from '../support/clients.ts';
import { type Pod, type PodStatus, startPod, sumSamples } from '../support/pod.ts';
import { freePort } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';

const PATIENT = { timeoutMs: 90_000 };

function appPath(name: string): string {
	return new URL(`apps/${name}.ts`, import.meta.url).pathname;
}

function workerOf({ workers }: PodStatus, slot: number): PodStatus['workers'][number] {
	const worker = workers[slot];
	assert.ok(worker);
	return worker;
}

function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		return false;
	}
}

function runDirOf(pid: number): string {
	const variable = readFileSync(`/proc/${pid}/environ`, 'utf8')
		.split('\0')
		.find((each) => each.startsWith(`${FORK_ENV}=`));
	return (JSON.parse(variable?.slice(FORK_ENV.length + 1) ?? '{}') as ForkIdentity).runDir;
}

/** Every sample of a counter, by its name and labels. */
function countersOf(text: string): Map<string, number> {
	const names = new Set([...text.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name]) => name));
	const samples = [...text.matchAll(/^(([a-z_]+)(?:\{.*\})?) (\S+)$/gm)];
	return new Map(samples.filter(([, , name]) => names.has(name)).map(([, key, , value]) => [key ?? '', Number(value)]));
}

async function readyz({ adminUrl }: Pick<Pod, 'adminUrl'>): Promise<{ ready: boolean; reasons: string[] }> {
	return (await (await fetch(`${adminUrl}/readyz`)).json()) as { ready: boolean; reasons: string[] };
}

test('a killed worker comes back in its slot; the others serve on, and no counter falls', async (t) => {
	const pod = await startPod(t, { app: ECHO_APP, options: { workers: 3 } });
	const clients = await Promise.all(Array.from({ length: 15 }, () => connectClient(t, pod.url)));
	const places = await Promise.all(clients.map(askWhere));
	const before = await pod.status();
	const counters = countersOf(await pod.metrics());
	assert.ok((counters.get('socketfleet_sessions_opened_total') ?? 0) >= clients.length);

	process.kill(workerOf(before, 1).pid, 'SIGKILL');
	const survivors = clients.filter((_, index) => places[index]?.worker !== 1);
	await Promise.all(survivors.map(askWhere));
	await waitFor(
		'the slot to be filled',
		async () => {
			const worker = workerOf(await pod.status(), 1);
			return worker.state === 'ready' && worker.pid !== workerOf(before, 1).pid;
		},
		PATIENT,
	);
	const after = await pod.status();
	assert.deepEqual([workerOf(after, 0).pid, workerOf(after, 2).pid], [workerOf(before, 0).pid, workerOf(before, 2).pid]);
	const later = countersOf(await pod.metrics());
	for (const [key, value] of counters) {
		assert.ok((later.get(key) ?? -1) >= value, `${key} fell from ${value} to ${later.get(key)}`);
	}
	assert.equal(later.get('socketfleet_worker_restarts_total{reason="died"}'), 1);

	const lost = clients.filter((_, index) => places[index]?.worker === 1);
	await waitFor('the clients of the dead worker to notice', () => lost.every(({ connected }) => !connected), PATIENT);
	assert.ok(survivors.every(({ connected }) => connected));
	await waitFor('a new session in the new worker', async () => {
		const { worker } = await askWhere(await connectClient(t, pod.url));
		return worker === 1;
	});
});

test('connections on their way to a worker that freezes and dies are served by another, or closed; none hangs', async (t) => {
	const pod = await startPod(t, { app: ECHO_APP });
	const { pid } = workerOf(await pod.status(), 0);
	process.kill(pid, 'SIGSTOP');
	let served = 0;
	let reset = 0;
	const calls = Array.from({ length: 40 }, () =>
		send(pollingUrl(pod.url)).then(
			() => served++,
			() => reset++,
		),
	);
	await waitFor('every connection to have been placed', async () => (await pod.metric('socketfleet_handovers_total')) >= calls.length);
	process.kill(pid, 'SIGKILL');
	await Promise.all(calls);
	assert.equal(served + reset, calls.length);
	assert.ok(reset <= 1, `${reset} were reset; only the one that was under way may be`);
});

test('an application that cannot be loaded ends the pod with its own exit code and one sentence', async (t) => {
	const args = ['serve', appPath('throws-on-load'), '--port', '0', '--admin-port', '0', '--workers', '2'];
	const { code, stdout } = await startCli(t, args).ended;
	assert.equal(code, 4);
	const said = stdout.split('\n').filter((line) => line.includes('could not be loaded: no database is configured'));
	assert.equal(said.length, 1, stdout);

	const missing = await startCli(t, ['serve', './missing.js', '--port', '0', '--admin-port', '0']).ended;
	assert.equal(missing.code, 4);
	assert.match(missing.stdout, /missing\.js does not exist: give the path of a module/);
});

test('workers that never become ready are reported, and the pod is not ready', async (t) => {
	const [port, adminPort] = [await freePort(), await freePort()];
	const args = ['serve', appPath('never-ready'), '--port', String(port), '--admin-port', String(adminPort), '--workers', '1'];
	startCli(t, [...args, '--worker-start-timeout-ms', '1000']);
	const pod = { adminUrl: `http://127.0.0.1:${adminPort}` };
	const { ready, reasons } = await waitFor(
		'a report',
		async () => {
			const answer = await readyz(pod);
			return answer.reasons.some((reason) => reason.includes('failed')) && answer;
		},
		PATIENT,
	);
	assert.equal(ready, false);
	assert.equal(reasons[0], 'no worker is ready');
	assert.match(reasons[1] ?? '', /^worker 0 failed \d+ times in a row/);
	assert.equal((await fetch(`${pod.adminUrl}/readyz`)).status, 503);
	assert.equal((await fetch(`${pod.adminUrl}/livez`)).status, 200);
	const refused = await send(`http://127.0.0.1:${port}`);
	assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '1']);
	assert.equal(
		sumSamples(await (await fetch(`${pod.adminUrl}/metrics`)).text(), 'socketfleet_rejected_connections_total', { reason: 'no_worker' }),
		1,
	);
});

test('one worker that dies in a loop is reported; the others go on', async (t) => {
	const pod = await startPod(t, { app: appPath('dies-in-one-worker'), waitForReady: false });
	await waitFor('the first worker', async () => workerOf(await pod.status(), 0).state === 'ready', PATIENT);
	const { ready } = await waitFor(
		'a report',
		async () => {
			const answer = await readyz(pod);
			return answer.reasons.some((reason) => /^worker 1 failed \d+ times in a row/.test(reason)) && answer;
		},
		PATIENT,
	);
	assert.equal(ready, true);
	const { worker } = await waitFor('a client of the healthy worker', async () => askWhere(await connectClient(t, pod.url)));
	assert.equal(worker, 0);
	assert.equal(workerOf(await pod.status(), 0).failures, 0);
});

for (const placement of ['ip-hash', 'kernel'] as const) {
	test(`SIGHUP replaces the workers under ${placement} while new connections keep coming: none is refused or reset, sessions come back`, async (t) => {
		const pod = await startPod(t, { app: ECHO_APP, options: { workers: 2, placement } });
		const before = await pod.status();
		const clients = await Promise.all(Array.from({ length: 10 }, () => connectClient(t, pod.url, { reconnection: true })));
		let reconnects = 0;
		const refused: string[] = [];
		for (const client of clients) {
			client.on('connect', () => reconnects++);
			client.on('connect_error', ({ message }) => refused.push(message));
		}
		let over = false;
		let opened = 0;
		const knock = async (): Promise<void> => {
			while (!over) {
				await openSession(pod.url).then(
					() => opened++,
					(error: Error) => refused.push(error.message),
				);
			}
		};
		const knocking = [knock(), knock(), knock(), knock()];
		pod.kill('SIGHUP');
		pod.kill('SIGHUP');
		try {
			await waitFor('the workers to be replaced', () => pod.logs().some(({ msg }) => msg === 'workers replaced'), PATIENT);
			await waitFor('every client to be back', () => reconnects >= clients.length && clients.every(({ connected }) => connected), PATIENT);
		} finally {
			over = true;
			await Promise.all(knocking);
		}
		assert.deepEqual(refused, []);
		assert.ok(opened > 10);
		const after = await pod.status();
		for (const slot of [0, 1]) {
			assert.notEqual(workerOf(after, slot).pid, workerOf(before, slot).pid);
			assert.equal(workerOf(after, slot).failures, 0);
		}
		const metrics = await pod.metrics();
		assert.equal(sumSamples(metrics, 'socketfleet_worker_restarts_total', { reason: 'requested' }), 2);
		assert.equal(sumSamples(metrics, 'socketfleet_handover_failures_total', {}), 0);
	});
}

test('a worker that hangs is ended and started again, and its client comes back', async (t) => {
	const pod = await startPod(t, { app: ECHO_APP, options: { workers: 2, workerSilenceMs: 1000 } });
	const client = await connectClient(t, pod.url, { reconnection: true });
	const { worker } = await askWhere(client);
	const { pid } = workerOf(await pod.status(), worker);
	const back = new Promise((resolve: (value: undefined) => void) => client.once('connect', () => resolve(undefined)));
	process.kill(pid, 'SIGSTOP');
	await back;
	await waitFor(
		'another process in its slot',
		async () => {
			const now = workerOf(await pod.status(), worker);
			return now.state === 'ready' && now.pid !== pid;
		},
		PATIENT,
	);
	assert.ok(!isAlive(pid));
	const metrics = await pod.metrics();
	assert.equal(sumSamples(metrics, 'socketfleet_worker_restarts_total', { reason: 'silent' }), 1);
	assert.equal(sumSamples(metrics, 'socketfleet_worker_restarts_total', {}), 1);
});

test('a killed primary leaves no worker and no folder behind', async (t) => {
	const pod = await startPod(t, { app: ECHO_APP });
	const { workers } = await pod.status();
	const runDir = runDirOf(workerOf(await pod.status(), 0).pid);
	assert.ok(existsSync(runDir));
	pod.kill('SIGKILL');
	assert.deepEqual(await pod.exited, { code: null, signal: 'SIGKILL' });
	await waitFor('the workers to end', () => workers.every(({ pid }) => !isAlive(pid)), PATIENT);
	await waitFor('the folder to go', () => !existsSync(runDir));
});
