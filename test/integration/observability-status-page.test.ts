/** The status page in a real browser: live numbers, what it says when a worker dies or the pod drains, and the admin token. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { openWindow, startBrowser } from '../support/browser.ts';
import { ask, connectClient, ECHO_APP, send } from '../support/clients.ts';
import { type Pod, startPod } from '../support/pod.ts';
import { startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';

const PATIENCE = { timeoutMs: 60_000, everyMs: 50 };
const TOKEN = 'status-page-admin-token';
const CLIENTS = 8;
const SCREENSHOTS = fileURLToPath(new URL('../../docs/', import.meta.url));

test('the page shows the pod live', { timeout: 170_000 }, async (t) => {
	const pod = await startPod(t, { app: ECHO_APP, options: { drainDelayMs: 20_000, drainTimeoutMs: 30_000 } });
	const browser = await startBrowser(t);
	const { page, problems } = await openWindow(browser, pod.adminUrl, { colorScheme: 'light' });
	await shows(page, '#state', 'ready');
	await shows(page, '#fleet', 'default');
	await shows(page, '#pods tr.own td:first-child', (await pod.status()).pod);
	assert.equal(await page.locator('#drain').isVisible(), false, 'without a token the page changes nothing');
	await shows(page, '#connections', '0');

	await putUnderLoad(t, pod);
	await shows(page, '#connections', String(CLIENTS));
	for (const id of ['received', 'sent']) {
		await waitFor(`a rate of events ${id}`, async () => parseFloat((await page.textContent(`#${id}`)) ?? '') > 0, PATIENCE);
	}
	assert.equal(await page.locator('#workers tr').count(), 2);
	if (process.env.UPDATE_SCREENSHOT) {
		await takeScreenshots(browser, pod, page);
	}

	const first = '#workers tr:first-child';
	const [victim] = (await pod.status()).workers;
	assert.ok(victim);
	await shows(page, `${first} td:nth-child(3)`, String(victim.pid));
	process.kill(victim.pid, 'SIGKILL');
	await waitFor(
		'another process in its place',
		async () => {
			const [, state, pid] = await page.locator(`${first} td`).allTextContents();
			return state === 'ready' && pid !== String(victim.pid);
		},
		PATIENCE,
	);

	pod.kill('SIGTERM');
	await shows(page, '#state', 'draining');
	await shows(page, '#reasons li', 'draining');
	pod.kill('SIGKILL');
	await shows(page, '#state', 'no connection to the pod');
	assert.deepEqual(problems, []);
});

test('with an admin token the page holds nothing until it is given', { timeout: 170_000 }, async (t) => {
	const pod = await startPod(t, { app: ECHO_APP, waitForReady: false, options: { adminToken: TOKEN } });
	const refused = await send(`${pod.adminUrl}/status/stream`);
	assert.equal(refused.status, 401);
	const browser = await startBrowser(t);
	const { page, problems } = await openWindow(browser, pod.adminUrl);
	await shows(page, '#state', 'needs a token');
	assert.equal(await page.textContent('#fleet'), '…');

	await page.fill('#token', 'not the token');
	await page.click('#login button');
	await shows(page, '#refused', 'That is not the admin token of this pod.');
	await page.fill('#token', TOKEN);
	await page.click('#login button');
	await shows(page, '#state', 'ready');
	assert.equal(await page.locator('#login').isVisible(), false);
	await page.reload();
	await shows(page, '#state', 'ready');

	page.on('dialog', (dialog) => void dialog.accept());
	await page.click('#drain');
	await shows(page, '#drain', 'Take this pod back into service');
	await shows(page, '#state', 'out of service');
	await page.click('#drain');
	await shows(page, '#state', 'ready');
	assert.deepEqual(problems, []);
});

test('the page of one pod shows the whole fleet', { timeout: 170_000 }, async (t) => {
	const { url: redisUrl } = await startRedis(t);
	const [pod, other] = [
		await startPod(t, { app: ECHO_APP, options: { redisUrl } }),
		await startPod(t, { app: ECHO_APP, options: { redisUrl } }),
	];
	const browser = await startBrowser(t);
	const { page, problems } = await openWindow(browser, pod.adminUrl);
	const [otherId, ownId] = [(await other.status()).pod, (await pod.status()).pod];
	await shows(page, '#pods td:first-child', otherId);

	await Promise.all([connectClient(t, pod.url), putUnderLoad(t, other)]);
	await shows(page, '#connections', String(CLIENTS + 1));
	const rows = page.locator('#pods tr');
	await waitFor(
		'a rate of what the other pod receives and sends',
		async () => {
			const [id, workers, connections, , received, sent] = await rows.nth(1).locator('td').allTextContents();
			const rates = [received, sent].map((text) => Number.parseFloat(text ?? ''));
			return id === otherId && workers === '2' && connections === String(CLIENTS) && rates.every((rate) => rate > 0);
		},
		PATIENCE,
	);
	assert.equal(await rows.count(), 2);
	assert.equal(await rows.nth(0).locator('td').first().textContent(), ownId);

	other.kill('SIGTERM');
	await waitFor('the pod that left to be gone', async () => (await rows.count()) === 1, PATIENCE);
	await shows(page, '#connections', '1');
	assert.deepEqual(problems, []);
});

test('without a token the page can change nothing, and it is served safely', async (t) => {
	const pod = await startPod(t, { app: ECHO_APP });
	const page = await send(pod.adminUrl);
	assert.equal(page.status, 200);
	assert.match(String(page.headers['content-security-policy']), /default-src 'self'/);
	assert.equal(page.headers['x-content-type-options'], 'nosniff');
	for (const path of ['/', '/status-page.js', '/status/stream']) {
		assert.equal((await send(`${pod.adminUrl}${path}`, { method: 'POST' })).status, 405, path);
		assert.equal((await send(`${pod.adminUrl}${path}`, { method: 'HEAD' })).status, 200, path);
	}
	for (const [method, path] of [
		['POST', '/drain?delayMs=0&spreadMs=0'],
		['DELETE', '/drain'],
		['POST', '/rebalance?connections=1&spreadMs=0'],
	] as const) {
		assert.equal((await send(`${pod.adminUrl}${path}`, { method })).status, 401, `${method} ${path}`);
	}
	assert.equal((await pod.status()).ready, true);
	assert.equal((await send(`${pod.adminUrl}/status-page/../../package.json`)).status, 404);
});

async function shows(page: Page, selector: string, text: string): Promise<void> {
	await waitFor(`"${text}" in ${selector}`, async () => (await page.locator(selector).allTextContents()).includes(text), PATIENCE);
}

async function putUnderLoad(t: TestContext, pod: Pod): Promise<void> {
	const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connectClient(t, pod.url)));
	await Promise.all(clients.map((client) => ask(client, 'join', 'room')));
	let round = 0;
	const timer = setInterval(() => clients[round++ % CLIENTS]?.emit('shout', 'room', `${round}`), 40);
	t.after(() => clearInterval(timer));
}

/** For the README, by light and by dark. */
async function takeScreenshots(browser: Browser, pod: Pod, light: Page): Promise<void> {
	const { page: dark } = await openWindow(browser, pod.adminUrl, { colorScheme: 'dark', viewport: { width: 1100, height: 640 } });
	await light.setViewportSize({ width: 1100, height: 640 });
	await waitFor(
		'half a minute of history',
		async () => ((await dark.getAttribute('#connections-line', 'points')) ?? '').split(' ').length > 30,
		PATIENCE,
	);
	writeFileSync(`${SCREENSHOTS}status-page.png`, await light.screenshot());
	writeFileSync(`${SCREENSHOTS}status-page-dark.png`, await dark.screenshot());
	await dark.context().close();
}
