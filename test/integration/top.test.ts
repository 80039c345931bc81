/** `socketfleet top` over a real pod. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCli, startCli } from '../support/cli.ts';
import { connectClient, ECHO_APP } from '../support/clients.ts';
import { startPod } from '../support/pod.ts';
import { waitFor } from '../support/wait.ts';

const TOKEN = 'top-test-admin-token';

test('top: one look, or block after block until the end; with the admin token', async (t) => {
	const pod = await startPod(t, { app: ECHO_APP, options: { adminToken: TOKEN }, waitForReady: false });
	const args = ['top', '--url', pod.adminUrl];
	const refused = await runCli(t, [...args, '--once']);
	assert.deepEqual([refused.code, refused.stderr], [9, `socketfleet: the pod at ${pod.adminUrl} wants its admin token: give --token\n`]);

	await connectClient(t, pod.url);
	const once = await runCli(t, [...args, '--once', '--token', TOKEN]);
	assert.equal(once.code, 0, once.stderr);
	assert.match(once.stdout, /^pod \S{4} of fleet default, socketfleet \S+: ready\n1 connections, \S+ opened, \S+ events received/);
	assert.match(once.stdout, /^WORKER +STATE +PID +CONNECTIONS +OPENED/m);
	assert.match(once.stdout, /^0 +ready +\d+ +[01] +\S+\/s +\S+\/s +\S+\/s +\S+\/s +\d+ % +\d+ MiB +\d+ MiB +0$/m);

	const live = startCli(t, [...args, '--interval', '0.5', '--token', TOKEN]);
	await waitFor('two blocks', () => live.output().split('WORKER').length > 2);
	pod.kill('SIGKILL');
	await waitFor('the end of the pod to be told', () => /: (no pod answers|the connection broke|the pod has ended)/.test(live.output()));
	live.child.kill('SIGINT');
	assert.equal((await live.ended).code, 0);
});
