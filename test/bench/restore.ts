/** A client that comes back and missed nothing, while the stream has grown by 10,000 entries for others. */
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../support/wait.ts';
import { sendBurst } from './support/bursts.ts';
import { FLEET_KINDS, type FleetKind, startFleet } from './support/fleets.ts';
import type { Row } from './support/record.ts';
import { RedisProbe } from './support/redis-probe.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { type ResumePoint, SocketClient } from './support/socket-client.ts';
import { percentile, round } from './support/stats.ts';

/** Of each message to others; the official entry around it makes it about 600. */
const BYTES = 400;
/** Sessions are saved after a disconnect, or in batches. */
const SETTLE_MS = 2000;

async function measure({ scope, size, say }: BenchContext, subject: FleetKind): Promise<Row> {
	const fleet = await startFleet(scope, subject);
	const pod = await fleet.addPod(1);
	const probe = new RedisProbe(scope, fleet.redis.url);
	const sender = await SocketClient.connect(pod.url);
	const tries = size(20, 5);
	const clients = await Promise.all(Array.from({ length: tries }, () => SocketClient.connect(pod.url, { rooms: ['returning'] })));
	await sendBurst(sender, { rooms: ['returning'], count: 1, perSecond: 100, bytes: 10 });
	const points = await waitFor('every client to have an offset', () => allPoints(clients));
	for (const client of clients) {
		client.drop();
	}
	await delay(SETTLE_MS);
	say(`${subject}: the stream grows`);
	await sendBurst(sender, { rooms: ['others'], count: size(10_000, 2000), perSecond: 2500, bytes: BYTES });
	await delay(SETTLE_MS);

	say(`${subject}: clients return one by one`);
	const times: number[] = [];
	let recovered = 0;
	const bytesBefore = await probe.bytesSent();
	for (const resume of points) {
		const client = await SocketClient.connect(pod.url, { resume });
		times.push(client.connectMs);
		recovered += client.isRecovered ? 1 : 0;
		client.drop();
	}
	const bytes = ((await probe.bytesSent()) - bytesBefore) / tries;
	sender.drop();
	return { subject, values: { ms: round(percentile(times, 0.5)), bytes: Math.round(bytes), recovered, tries } };
}

function allPoints(clients: readonly SocketClient[]): ResumePoint[] | undefined {
	const points = clients.flatMap(({ resumePoint }) => resumePoint ?? []);
	return points.length === clients.length ? points : undefined;
}

await runProgram('restore', async (context) => {
	const rows: Row[] = [];
	for (const kind of FLEET_KINDS) {
		rows.push(await measure(context, kind));
	}
	return rows;
});
