/** A pod that is told to go: who is served meanwhile, where its clients end up, and when it is over. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { ask, connectClient, ECHO_APP, openSession, send } from '../support/clients.ts';
import { type Pod, startPod } from '../support/pod.ts';
import { startService } from '../support/proxy-client.ts';
import { type Scope, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import type { ManyClientsReport } from './apps/many-clients.ts';

const PATIENT = { timeoutMs: 90_000, everyMs: 200 };
const CLIENT_PROCESSES = 2;
const CLIENTS = 1000;

function startManyClients(t: Scope, url: string, count: number): ChildProcess {
	const child = fork(new URL('apps/many-clients.ts', import.meta.url), [url, String(count)]);
	t.after(() => {
		child.kill('SIGKILL');
	});
	return child;
}

async function reportOf(
	children: readonly ChildProcess[],
	text: string,
): Promise<{ connected: number; returned: number; recovered: number; once: number; again: number }> {
	const reports = await Promise.all(
		children.map(async (child) => {
			const answer = once(child, 'message');
			child.send('report');
			const [report] = (await answer) as [ManyClientsReport];
			return report;
		}),
	);
	const sum = (count: (report: ManyClientsReport) => number): number => reports.reduce((total, report) => total + count(report), 0);
	return {
		connected: sum(({ connected }) => connected),
		returned: sum(({ returned }) => returned),
		recovered: sum(({ recovered }) => recovered),
		once: sum(({ heard }) => heard[text]?.once ?? 0),
		again: sum(({ heard }) => heard[text]?.again ?? 0),
	};
}

async function readyzOf(pod: Pod): Promise<{ status: number; reasons: readonly string[] }> {
	const answer = await fetch(`${pod.adminUrl}/readyz`);
	const { reasons } = (await answer.json()) as { reasons: string[] };
	return { status: answer.status, reasons };
}

test('a thousand clients of a pod that drains are all back on the other pod, recovered, with nothing lost or repeated', async (t) => {
	const redis = await startRedis(t);
	const options = { redisUrl: redis.url, drainSpreadMs: 4000, drainTimeoutMs: 60_000 };
	const [leaving, staying] = await Promise.all([startPod(t, { app: ECHO_APP, options }), startPod(t, { app: ECHO_APP, options })]);
	const front = await startService(t, [leaving.ports.public, staying.ports.public]);
	const children = Array.from({ length: CLIENT_PROCESSES }, () => startManyClients(t, front.url, CLIENTS / CLIENT_PROCESSES));
	await waitFor('all to connect', async () => (await reportOf(children, '')).connected === CLIENTS, PATIENT);
	assert.equal((await leaving.status()).connections, CLIENTS);

	const speaker = await connectClient(t, staying.url);
	speaker.emit('announce', 'before');
	await waitFor('all to hear it', async () => (await reportOf(children, 'before')).once === CLIENTS, PATIENT);

	leaving.kill('SIGTERM');
	assert.deepEqual(await leaving.exited, { code: 0, signal: null });
	const drained = leaving.logs().filter(({ msg }) => msg === 'worker drained');
	const total = (field: 'closed' | 'terminated') => drained.reduce((sum, line) => sum + Number(line[field]), 0);
	assert.deepEqual({ closed: total('closed'), terminated: total('terminated') }, { closed: CLIENTS, terminated: 0 });
	await waitFor('all to be back', async () => (await reportOf(children, '')).connected === CLIENTS, PATIENT);
	assert.equal((await staying.status()).connections, CLIENTS + 1);
	speaker.emit('announce', 'after');
	await waitFor('all to hear it again', async () => (await reportOf(children, 'after')).once === CLIENTS, PATIENT);
	const { returned, recovered } = await reportOf(children, 'before');
	assert.deepEqual({ returned, recovered }, { returned: CLIENTS, recovered: CLIENTS });
	for (const text of ['before', 'after']) {
		const { once: heard, again } = await reportOf(children, text);
		assert.deepEqual({ heard, again }, { heard: CLIENTS, again: 0 }, text);
	}
	assert.equal(await staying.metric('socketfleet_unknown_sessions_total'), 0);
});

test('readiness goes first, while everyone is still served; a second signal ends at once', async (t) => {
	const pod = await startPod(t, { app: ECHO_APP, options: { drainDelayMs: 600_000, drainTimeoutMs: 1_200_000 } });
	const client = await connectClient(t, pod.url);
	assert.deepEqual(await readyzOf(pod), { status: 200, reasons: [] });
	pod.kill('SIGTERM');
	await waitFor('readiness to go', async () => (await readyzOf(pod)).status === 503);
	assert.deepEqual((await readyzOf(pod)).reasons, ['draining']);
	assert.equal(await pod.metric('socketfleet_drain_state'), 1);
	assert.equal(await ask(client, 'echo', 'still here'), 'still here');
	await openSession(pod.url);
	assert.equal((await fetch(`${pod.adminUrl}/livez`)).status, 200);
	pod.kill('SIGTERM');
	assert.deepEqual(await pod.exited, { code: 7, signal: null });
});

test('while it closes, the pod takes no new connections and its answers end the old ones', async (t) => {
	// Of six sessions that are closed within a minute at least one is left for the first fifty seconds.
	const pod = await startPod(t, { app: ECHO_APP, options: { workers: 1, drainSpreadMs: 60_000, drainTimeoutMs: 120_000 } });
	await Promise.all(Array.from({ length: 6 }, () => connectClient(t, pod.url)));
	const agent = new Agent({ keepAlive: true, maxSockets: 1 });
	t.after(() => agent.destroy());
	assert.equal((await send(pod.url, { agent })).headers.connection, 'keep-alive');
	pod.kill('SIGTERM');
	await waitFor('the worker to close connections', async () => (await pod.metric('socketfleet_drain_state')) === 2);
	const { status, headers } = await send(pod.url, { agent });
	assert.deepEqual([status, headers.connection], [200, 'close']);
	await assert.rejects(send(pod.url), { code: 'ECONNREFUSED' });
	pod.kill('SIGTERM');
	await pod.exited;
});

test('the deadline holds against a client that never reads', async (t) => {
	const pod = await startPod(t, { app: ECHO_APP, options: { workers: 1, drainTimeoutMs: 2000 } });
	const frozen = new WebSocket(`${pod.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
	t.after(() => frozen.terminate());
	frozen.on('error', () => frozen.terminate());
	frozen.on('open', () => frozen.send('40'));
	frozen.on('message', (data: Buffer) => {
		if (data.subarray(0, 2).equals(Buffer.from('40'))) {
			frozen.send('42["flood",12000000]');
			frozen.pause();
		}
	});
	await waitFor('its event to arrive', async () => (await pod.metric('socketfleet_events_in_total')) === 1);
	pod.kill('SIGTERM');
	assert.deepEqual(await pod.exited, { code: 0, signal: null });
	const [drained] = pod.logs().filter(({ msg }) => msg === 'worker drained');
	assert.deepEqual([drained?.closed, drained?.terminated], [1, 1]);
});
