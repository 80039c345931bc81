/** What a scrape of a large pod costs whoever asks: time, bytes, series. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Row } from './support/record.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { SocketClient, sourceAddress } from './support/socket-client.ts';
import { percentile, round, runMany } from './support/stats.ts';
import { startOurs } from './support/systems.ts';

const WORKERS = 16;
const WIDTH = 32;
const SCRAPES = 100;
const EVERY_MS = 100;

async function measure({ scope, size, say }: BenchContext): Promise<Row> {
	const { pod, url } = await startOurs(scope, { workers: WORKERS });
	const count = size(10_000, 500);
	say(`opening ${count} connections`);
	const clients: SocketClient[] = [];
	scope.after(() => {
		for (const client of clients) {
			client.drop();
		}
	});
	await runMany(count, WIDTH, async (index) => {
		clients.push(await SocketClient.connect(url, { localAddress: sourceAddress(index) }));
	});
	say(`${SCRAPES} scrapes`);
	const times: number[] = [];
	let page = '';
	for (let scrape = 0; scrape < SCRAPES; scrape++) {
		const startedAt = performance.now();
		page = await pod.metrics();
		times.push(performance.now() - startedAt);
		await delay(EVERY_MS);
	}
	return {
		subject: `pod of ${WORKERS} workers`,
		values: {
			connections: clients.length,
			p50Ms: round(percentile(times, 0.5)),
			p99Ms: round(percentile(times, 0.99)),
			kilobytes: round(Buffer.byteLength(page) / 1000),
			series: page.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length,
		},
	};
}

await runProgram('scrape', async (context) => [await measure(context)]);
