/** What publishing a message costs the process that sends it. */
import { type BurstCost, measureBurst, sendBurst } from './support/bursts.ts';
import { FLEET_KINDS, type FleetKind, startFleet } from './support/fleets.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { SocketClient } from './support/socket-client.ts';
import { round } from './support/stats.ts';

const PER_SECOND = 5000;

async function measure({ scope, size, say }: BenchContext, kind: FleetKind, count: number): Promise<BurstCost> {
	const fleet = await startFleet(scope, kind);
	const pod = await fleet.addPod(1);
	const client = await SocketClient.connect(pod.url);
	const burst = { rooms: ['nobody'], perSecond: PER_SECOND, bytes: 100 };
	say(`${kind}: warming up`);
	await sendBurst(client, { ...burst, count: size(20_000, 2000) });
	say(`${kind}: measuring`);
	const cost = await measureBurst([pod.pid], count, size(10_000, 2000), () => sendBurst(client, { ...burst, count }));
	client.drop();
	return cost;
}

await runProgram('publish', async (context) => {
	const count = context.size(75_000, 10_000);
	const costs = new Map<FleetKind, BurstCost>();
	for (const kind of FLEET_KINDS) {
		costs.set(kind, await measure(context, kind, count));
	}
	const official = costs.get('official adapter')?.cpuMs ?? 0;
	return [...costs].map(([subject, { cpuMs, perSecond }]) => ({
		subject,
		values: { cpuUs: round((cpuMs * 1000) / count), ratio: round(cpuMs / official), perSecond: Math.round(perSecond) },
	}));
});
