/** What a message costs a pod that has none of its rooms. */
import { measureBurst, sendBurst } from './support/bursts.ts';
import { FLEET_KINDS, type FleetKind, startFleet } from './support/fleets.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { SocketClient } from './support/socket-client.ts';
import { round } from './support/stats.ts';

const WORKERS = 4;
/** As fast as whoever reads all of them can read. */
const PER_SECOND: Record<FleetKind, number> = { 'official adapter': 2000, socketfleet: 20_000 };

/** CPU of the idle pod for each message, in us. */
async function measure({ scope, size, say }: BenchContext, kind: FleetKind, seconds: number): Promise<number> {
	const count = seconds * PER_SECOND[kind];
	const fleet = await startFleet(scope, kind);
	const bystander = await fleet.addPod(WORKERS);
	const sender = await fleet.addPod(1);
	const client = await SocketClient.connect(sender.url);
	const burst = { rooms: ['elsewhere-1', 'elsewhere-2'], perSecond: PER_SECOND[kind], bytes: 100 };
	say(`${kind}: warming up`);
	await sendBurst(client, { ...burst, count: size(10_000, 1000) });
	say(`${kind}: measuring`);
	const { cpuMs } = await measureBurst([bystander.pid], count, size(10_000, 2000), () => sendBurst(client, { ...burst, count }));
	client.drop();
	return (cpuMs * 1000) / count;
}

await runProgram('absent-rooms', async (context) => {
	const seconds = context.size(20, 2);
	const costs = new Map<FleetKind, number>();
	for (const kind of FLEET_KINDS) {
		costs.set(kind, await measure(context, kind, seconds));
	}
	const official = costs.get('official adapter') ?? 0;
	return [...costs].map(([subject, cpuUs]) => ({
		subject,
		values: { cpuUs: round(cpuUs), ratio: round(cpuUs / official), messages: seconds * PER_SECOND[subject] },
	}));
});
