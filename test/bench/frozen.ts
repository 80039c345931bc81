/** Delivery between two clients of one worker while Redis is frozen. */
import { setTimeout as delay } from 'node:timers/promises';
import { FLEET_KINDS, type FleetKind, startFleet } from './support/fleets.ts';
import type { Row } from './support/record.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { SocketClient } from './support/socket-client.ts';
import { percentile, round } from './support/stats.ts';

const EVERY_MS = 20;
const WAIT_FOR_THE_REST_MS = 30_000;

async function measure({ scope, size, say }: BenchContext, subject: FleetKind): Promise<Row> {
	const fleet = await startFleet(scope, subject, {});
	const pod = await fleet.addPod(1);
	const sentAt: number[] = [];
	const latencies = new Map<number, number>();
	const receiver = await SocketClient.connect(pod.url, {
		rooms: ['pair'],
		onEvent: (_name, [index]) => {
			// A second copy would not be a delivery.
			if (typeof index === 'number' && !latencies.has(index)) {
				latencies.set(index, performance.now() - (sentAt[index] ?? 0));
			}
		},
	});
	const sender = await SocketClient.connect(pod.url);
	const sendOne = (): void => {
		sender.emit('say', 'pair', sentAt.length);
		sentAt.push(performance.now());
	};
	sendOne();
	await delay(1000);

	say(`${subject}: Redis is frozen`);
	fleet.redis.signal('SIGSTOP');
	const firstFrozen = sentAt.length;
	const end = performance.now() + size(25_000, 4000);
	while (performance.now() < end) {
		sendOne();
		await delay(EVERY_MS);
	}
	fleet.redis.signal('SIGCONT');
	const until = performance.now() + WAIT_FOR_THE_REST_MS;
	while (latencies.size < sentAt.length && performance.now() < until && !pod.hasEnded()) {
		await delay(EVERY_MS);
	}

	const sent = sentAt.length - firstFrozen;
	const during = [...latencies].filter(([index]) => index >= firstFrozen).map(([, latency]) => latency);
	receiver.drop();
	sender.drop();
	return {
		subject,
		values: {
			p50Ms: round(percentile(during, 0.5)),
			p99Ms: round(percentile(during, 0.99)),
			maxMs: round(Math.max(0, ...during)),
			sent,
			lost: sent - during.length,
			died: pod.hasEnded() ? 1 : 0,
		},
	};
}

await runProgram('frozen', async (context) => {
	const rows: Row[] = [];
	for (const kind of FLEET_KINDS) {
		rows.push(await measure(context, kind));
	}
	return rows;
});
