/** What a pod exposes stays valid and small, whatever its clients and its application do. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { ask, connectClient } from '../support/clients.ts';
import { parseExposition, sampleValue } from '../support/exposition.ts';
import { startPod } from '../support/pod.ts';
import { waitFor } from '../support/wait.ts';

const APP = fileURLToPath(new URL('../fixtures/metrics-app.ts', import.meta.url));
const HOSTILE = 10_000;
/** Namespaces in flight at once: a worker has to make each. */
const BATCH = 500;
const PATIENCE = { timeoutMs: 60_000, everyMs: 50 };
/** docs/promises.md */
const MAX_SERIES = 1500;

test('10,000 namespaces and rooms of a hostile client leave a page that is small, valid, and counts them all', {
	timeout: 170_000,
}, async (t) => {
	const pod = await startPod(t, { app: APP });
	const before = countSeries(await pod.metrics());

	const hostile = new WebSocket(`${pod.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
	t.after(() => hostile.terminate());
	await once(hostile, 'open');
	let greeted = 0;
	hostile.on('message', (data) => {
		const packet = (data as Buffer).toString();
		if (packet === '2') {
			hostile.send('3');
		}
		const [, kind, namespace] = /^4([02])(\/n\d+),/.exec(packet) ?? [];
		if (kind === '0') {
			hostile.send(`42${namespace},["hello"]`);
		} else if (kind === '2') {
			greeted++;
		}
	});
	for (let first = 0; first < HOSTILE; first += BATCH) {
		for (let index = first; index < first + BATCH; index++) {
			hostile.send(`40/n${index},`);
		}
		await waitFor(`namespaces up to ${first + BATCH}`, () => greeted === first + BATCH, PATIENCE);
	}
	const client = await connectClient(t, pod.url);
	for (let first = 0; first < HOSTILE; first += BATCH) {
		await Promise.all(Array.from({ length: BATCH }, (_each, index) => ask(client, 'join', `room ${first + index} "\\\n`)));
	}

	const text = await pod.metrics();
	const families = parseExposition(text);
	const received = families.get('socketfleet_events_in_total')?.samples ?? new Map<string, number>();
	assert.ok(received.size <= 201, `${received.size} series for two workers with a hundred namespaces and "other" each`);
	assert.equal(
		[...received.values()].reduce((sum, value) => sum + value),
		2 * HOSTILE,
		'each event is counted somewhere',
	);
	assert.doesNotMatch(text, /room \d/, 'rooms are in no label');
	const after = countSeries(text);
	assert.ok(after < MAX_SERIES, `${after} series, ${before} before`);
	t.diagnostic(`series of a pod with two workers: ${before} at first, ${after} after the attack; ${text.length} bytes`);
	assert.equal(checkMetrics(text), '');
});

test('metrics of the application are merged; those that clash or break cost only themselves', async (t) => {
	const pod = await startPod(t, { app: APP });
	const clients = await Promise.all(Array.from({ length: 6 }, () => connectClient(t, pod.url)));
	for (const client of clients) {
		client.emit('order', 'a"b\\c\nd');
		await ask(client, 'echo', 1);
	}
	const well = parseExposition(await pod.metrics());
	assert.equal(sampleValue(well, 'orders_total{room="a"b\\c\nd"}'), 6);
	assert.equal(sampleValue(well, 'stock'), 14, 'two workers with seven each');
	assert.equal(sampleValue(well, 'socketfleet_connections{transport="websocket"}'), 6, 'the name of ours is kept');
	assert.equal(well.get('either')?.samples.size, 1, 'the first of two that do not agree');
	assert.equal(sampleValue(well, 'socketfleet_app_metrics_dropped'), 2);
	assert.equal(checkMetrics(await pod.metrics()), '');

	for (const client of clients) {
		client.emit('break-collector', true);
		await ask(client, 'echo', 1);
	}
	const broken = await waitFor('failures to be counted', async () => {
		const families = parseExposition(await pod.metrics());
		return sampleValue(families, 'socketfleet_app_collect_failures_total') > 0 && families;
	});
	assert.equal(broken.get('stock'), undefined);
	assert.equal(sampleValue(broken, 'socketfleet_connections{transport="websocket"}'), 6, 'ours go on');
});

test('scrapers that hang, and one that comes all the time, keep nobody from an answer', async (t) => {
	const pod = await startPod(t, { app: APP });
	const { port, hostname } = new URL(pod.adminUrl);
	for (let index = 0; index < 20; index++) {
		const hanging = connect(Number(port), hostname);
		t.after(() => hanging.destroy());
		hanging.on('error', () => hanging.destroy()).pause();
		await once(hanging, 'connect');
		// Answers nobody reads, and a request that does not end.
		hanging.write('GET /metrics HTTP/1.1\r\nHost: pod\r\n\r\n'.repeat(10));
		hanging.write('GET /metrics HTTP/1.1\r\n');
	}
	let last = 0;
	for (let scrape = 0; scrape < 50; scrape++) {
		const pages = await Promise.all([pod.metrics(), pod.metrics()]);
		for (const page of pages) {
			const collected = sampleValue(parseExposition(page), 'socketfleet_gc_seconds_total');
			assert.ok(collected >= last, 'no counter falls');
			last = collected;
		}
	}
	assert.equal(await pod.metric('socketfleet_scrape_silent_workers_total'), 0);
	assert.equal((await pod.status()).ready, true);
});

function countSeries(text: string): number {
	return text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
}

/** What promtool has to say about the page: nothing, if it is as Prometheus wants it. */
function checkMetrics(text: string): string {
	// Of the application, and made to be wrong.
	const ours = text.replace(/^(# (HELP|TYPE) )?either\b.*\n/gm, '');
	const { error, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: ours, encoding: 'utf8', timeout: 60_000 });
	if (error) {
		throw new Error('promtool could not be run; Debian has it in the package prometheus', { cause: error });
	}
	return `${stdout}${stderr}`;
}
