/** Bytes that Redis sends for each message, as a pod gets more workers. */
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../support/wait.ts';
import { sendBurst } from './support/bursts.ts';
import { FLEET_KINDS, type FleetKind, startFleet } from './support/fleets.ts';
import type { Row } from './support/record.ts';
import { RedisProbe } from './support/redis-probe.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { SocketClient } from './support/socket-client.ts';
import { round } from './support/stats.ts';

const PER_SECOND = 1000;
/** Slower workers may still be reading when the counting client has everything. */
const SETTLE_MS = 1000;

async function measure({ scope, size, say }: BenchContext, kind: FleetKind, workers: number): Promise<number> {
	const fleet = await startFleet(scope, kind);
	const pod = await fleet.addPod(workers);
	const probe = new RedisProbe(scope, fleet.redis.url);
	let received = 0;
	const member = await SocketClient.connect(pod.url, {
		rooms: ['crowd'],
		onEvent: () => {
			received++;
		},
	});
	const sender = await SocketClient.connect(pod.url);
	const count = size(10_000, 1000);
	say(`${kind}, workers: ${workers}`);
	const before = await probe.bytesSent();
	await sendBurst(sender, { rooms: ['crowd'], count, perSecond: PER_SECOND, bytes: 100 });
	await waitFor('every message to arrive', () => received >= count);
	await delay(SETTLE_MS);
	const bytes = (await probe.bytesSent()) - before;
	member.drop();
	sender.drop();
	return bytes / count;
}

await runProgram('egress', async (context) => {
	const rows: Row[] = [];
	for (const kind of FLEET_KINDS) {
		let alone: number | undefined;
		for (const workers of context.quick ? [1, 4] : [1, 2, 4, 8]) {
			const bytes = await measure(context, kind, workers);
			alone ??= bytes;
			const subject = `${kind}, ${workers} worker${workers === 1 ? '' : 's'}`;
			rows.push({ subject, values: { bytes: Math.round(bytes), growth: round(bytes / alone) } });
		}
	}
	return rows;
});
