/** The demo as people see it: two Chromium windows, held by different workers, do everything together. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { openWindow, startBrowser, type Window } from '../support/browser.ts';
import { startPod } from '../support/pod.ts';
import { freePort, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';

const PATIENCE = { timeoutMs: 60_000, everyMs: 50 };
const MAX_WINDOWS = 40;
const SCREENSHOT = fileURLToPath(new URL('../../docs/demo.png', import.meta.url));

test('two windows on different workers draw, chat, compute and count together', { timeout: 240_000 }, async (t) => {
	const pod = await startPod(t, { options: { workers: 2 } });
	const [ada, grace, browser] = await openOnBothWorkers(t, pod.url);

	await t.test('each sees both participants and who holds them', async () => {
		for (const { page } of [ada, grace]) {
			await shows(page, '#people-count', '2');
			await shows(page, '#transport', 'websocket');
			assert.equal(await page.locator('#people .worker').count(), 2);
			assert.equal(await page.textContent('#address'), '127.0.0.1');
		}
	});

	await t.test('chat', async () => {
		await say(ada.page, 'Shall we deploy on Thursday?');
		await shows(grace.page, '#messages .message:last-child > span', 'Shall we deploy on Thursday?');
		await say(grace.page, 'Yes. The last drain moved 4,000 clients and nobody noticed.');
		await shows(ada.page, '#messages .message:last-child > span', 'Yes. The last drain moved 4,000 clients and nobody noticed.');
	});

	await t.test('whiteboard', async () => {
		await draw(ada.page, 'blue', wave);
		await draw(grace.page, 'red', circle);
		await isPainted(grace.page, wave(0.5));
		await isPainted(ada.page, circle(0.5));
	});

	await t.test('counter', async () => {
		await click(ada.page, '[data-by="1"]', 8);
		await click(grace.page, '[data-by="1"]', 5);
		await click(grace.page, '[data-by="-1"]', 1);
		await shows(ada.page, '#counter', '12');
		await shows(grace.page, '#counter', '12');
	});

	await t.test('computation', async () => {
		await ada.page.locator('#modes label', { hasText: 'Sine' }).click();
		await grace.page.locator('#modes label', { hasText: 'Sine' }).click();
		for (const { page } of [ada, grace]) {
			await shows(page, '#count', '2');
			await waitFor('a bar for each', async () => (await page.locator('#bars li').count()) === 2, PATIENCE);
			await waitFor('the mean between the extremes', () => meanIsBetween(page), PATIENCE);
		}
	});

	await t.test('one who comes later is shown all of it', async () => {
		const { page } = await openWindow(browser, pod.url);
		await shows(page, '#counter', '12');
		await isPainted(page, wave(0.5));
		await isPainted(page, circle(0.5));
		await waitFor('the history', async () => (await page.locator('#messages .message').count()) === 2, PATIENCE);
		await page.context().close();
	});

	if (process.env.UPDATE_SCREENSHOT) {
		await takeScreenshot(browser, [ada.page, grace.page]);
	}

	await t.test('who drops the connection is back, and told that it is a new session', async () => {
		await ada.page.click('#drop');
		await shows(ada.page, '#recovered', 'new session');
		await shows(ada.page, '#state', 'connected');
		await say(ada.page, 'Back again');
		await shows(grace.page, '#messages .message:last-child > span', 'Back again');
	});

	assert.deepEqual([...ada.problems, ...grace.problems], []);
});

test('the line that the page gives reaches every window from outside', { timeout: 240_000 }, async (t) => {
	const token = 'demo-token-0123456789';
	const pod = await startPod(t, { options: { workers: 2, apiPort: await freePort(), apiTokens: token } });
	const [ada, grace] = await openOnBothWorkers(t, pod.url);
	const line = await waitFor('the line', async () => (await ada.page.textContent('#curl')) || undefined, PATIENCE);
	await ada.page.click('#copy-curl');
	assert.equal(await ada.page.evaluate('String(getSelection())'), line, 'the button selects it');

	await promisify(execFile)('sh', ['-c', line.replace('curl ', 'curl --fail --silent --show-error ')], {
		env: { ...process.env, TOKEN: token },
	});

	for (const { page } of [ada, grace]) {
		await shows(page, '#news li span', 'Hello from outside');
	}
});

test('with Redis a lost connection is recovered, and a message sent meanwhile arrives once', { timeout: 240_000 }, async (t) => {
	const redis = await startRedis(t);
	const pod = await startPod(t, { options: { workers: 2, redisUrl: redis.url } });
	const [ada, grace] = await openOnBothWorkers(t, pod.url);
	// What was received is what recovery starts from.
	await say(grace.page, 'before');
	await shows(ada.page, '#messages .message:last-child > span', 'before');

	// The client closes its connection when the browser says that the network is gone.
	await ada.page.context().setOffline(true);
	await waitFor('the connection to be gone', async () => (await ada.page.textContent('#state')) !== 'connected', PATIENCE);
	await say(grace.page, 'meanwhile');
	await shows(grace.page, '#messages .message:last-child > span', 'meanwhile');
	await ada.page.context().setOffline(false);

	await shows(ada.page, '#recovered', 'recovered');
	await say(ada.page, 'after');
	await shows(ada.page, '#messages .message:last-child > span', 'after');
	assert.deepEqual(await ada.page.locator('#messages .message > span').allTextContents(), ['before', 'meanwhile', 'after']);
	assert.deepEqual([...ada.problems, ...grace.problems], []);
});

/** Loopback peers are placed by address and port, so windows are opened until one lands on the other worker. */
async function openOnBothWorkers(t: TestContext, url: string): Promise<[Window, Window, Browser]> {
	const browser = await startBrowser(t);
	const ada = await openAs(browser, url, 'Ada', { colorScheme: 'light' });
	const home = await ada.page.textContent('#worker');
	for (let i = 0; i < MAX_WINDOWS; i++) {
		const grace = await openAs(browser, url, 'Grace', { colorScheme: 'dark' });
		if ((await grace.page.textContent('#worker')) !== home) {
			return [ada, grace, browser];
		}
		await grace.page.context().close();
	}
	throw new Error(`${MAX_WINDOWS} windows all landed on worker ${home}`);
}

async function openAs(browser: Browser, url: string, name: string, options: BrowserContextOptions): Promise<Window> {
	const window = await openWindow(browser, url, { viewport: { width: 1000, height: 1090 }, ...options });
	// Known once the page is connected, so by then all its parts listen to what the person does.
	await waitFor(`the worker of ${name}`, async () => /^\d+$/.test((await window.page.textContent('#worker')) ?? ''), PATIENCE);
	await window.page.fill('#name', name);
	await window.page.press('#name', 'Enter');
	return window;
}

async function shows(page: Page, selector: string, text: string): Promise<void> {
	await waitFor(`"${text}" in ${selector}`, async () => (await page.locator(selector).allTextContents()).includes(text), PATIENCE);
}

async function say(page: Page, text: string): Promise<void> {
	await page.fill('#chat-text', text);
	await page.press('#chat-text', 'Enter');
}

async function click(page: Page, selector: string, times: number): Promise<void> {
	for (let i = 0; i < times; i++) {
		await page.click(selector);
	}
}

/** From 0..1 along a line to 0..1 on both axes of the canvas. */
type Path = (along: number) => readonly [x: number, y: number];
const wave: Path = (along) => [0.08 + 0.84 * along, 0.55 + 0.25 * Math.sin(2 + along * 12)];
const circle: Path = (along) => [0.5 + 0.17 * Math.cos(along * 6.3), 0.45 + 0.27 * Math.sin(along * 6.3)];

async function draw(page: Page, color: string, path: Path): Promise<void> {
	await page.locator(`#colors label:has(input[value="${color}"])`).click();
	const box = await page.locator('#canvas').boundingBox();
	assert.ok(box);
	const steps = 60;
	for (let step = 0; step <= steps; step++) {
		const [x, y] = path(step / steps);
		await page.mouse.move(box.x + x * box.width, box.y + y * box.height);
		if (step === 0) {
			await page.mouse.down();
		}
	}
	await page.mouse.up();
}

async function isPainted(page: Page, at: readonly [number, number]): Promise<void> {
	await waitFor(`paint at ${at.join(', ')}`, () => page.locator('canvas').evaluate(hasPaint, at), PATIENCE);
}

/** What the test needs of a canvas; the types of browsers are not loaded for a project of servers. */
interface Canvas {
	readonly width: number;
	readonly height: number;
	getContext(kind: '2d'): { getImageData(x: number, y: number, width: number, height: number): { readonly data: Iterable<number> } };
}

/** Runs in the page: whether anything was painted within a few pixels. */
function hasPaint(canvas: Canvas, [x, y]: readonly [number, number]): boolean {
	const pixels = canvas.getContext('2d').getImageData(x * canvas.width - 4, y * canvas.height - 4, 8, 8).data;
	return [...pixels].some((byte) => byte > 0);
}

async function meanIsBetween(page: Page): Promise<boolean> {
	const [mean = NaN, min = NaN, max = NaN] = (await page.locator('.figures dd').allTextContents()).map(Number);
	return min <= mean && mean <= max;
}

/** For the README: both windows side by side. */
async function takeScreenshot(browser: Browser, pages: readonly Page[]): Promise<void> {
	for (const page of pages) {
		await shows(page, '#people-count', '2');
		await waitFor('a curve', async () => ((await page.getAttribute('#spark-line', 'points')) ?? '').split(' ').length > 80, PATIENCE);
	}
	const images = await Promise.all(pages.map(async (page) => (await page.screenshot()).toString('base64')));
	const frame = await browser.newPage({ viewport: { width: 1640, height: 883 } });
	const pictures = images.map((data) => `<img width="810" src="data:image/png;base64,${data}">`).join('');
	await frame.setContent(`<body style="margin:0;display:flex;gap:20px;background:#808894;width:1640px">${pictures}</body>`);
	await frame.locator('img').last().waitFor();
	writeFileSync(SCREENSHOT, await frame.locator('body').screenshot());
	await frame.close();
}
