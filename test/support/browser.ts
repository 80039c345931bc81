/** Debian's Chromium, headless, ended with the test. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Scope } from './redis-server.ts';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARGS = [
	'--no-sandbox',
	'--disable-gpu',
	'--disable-quic',
	'--disable-dev-shm-usage',
	'--no-first-run',
	'--disable-background-networking',
	'--disable-component-update',
	'--disable-sync',
	// Two windows are in use at once; the one behind must not be slowed down.
	'--disable-background-timer-throttling',
	'--disable-backgrounding-occluded-windows',
	'--disable-renderer-backgrounding',
];
const PATIENCE_MS = 60_000;

export async function startBrowser(t: Scope): Promise<Browser> {
	const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS, headless: true, timeout: PATIENCE_MS });
	t.after(() => browser.close());
	return browser;
}

export interface Window {
	readonly page: Page;
	/** Exceptions of the page, and what its content security policy refused. */
	readonly problems: readonly string[];
}

/** A window with storage of its own. */
export async function openWindow(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Window> {
	const context = await browser.newContext(options);
	context.setDefaultTimeout(PATIENCE_MS);
	const page = await context.newPage();
	const problems: string[] = [];
	page.on('pageerror', (error) => problems.push(error.message));
	page.on('console', (message) => {
		if (message.text().includes('Content Security Policy')) {
			problems.push(message.text());
		}
	});
	await page.goto(url);
	return { page, problems };
}
