/** The same load on 1, 2 and 4 pods, rooms local to pods: CPU of the whole fleet for each delivered message. */
import { waitFor } from '../support/wait.ts';
import { type BurstCost, measureBurst, sendBurst } from './support/bursts.ts';
import { FLEET_KINDS, type FleetKind, startFleet } from './support/fleets.ts';
import type { Row } from './support/record.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { SocketClient, sourceAddress } from './support/socket-client.ts';
import { round } from './support/stats.ts';
import type { System } from './support/systems.ts';

const ROOMS = 8;
const MEMBERS = 25;
const WORKERS = 2;
const PER_ROOM_AND_SECOND = 100;

interface Crowd {
	/** One member of each room: its server sends to the room. */
	readonly senders: readonly SocketClient[];
	readonly clients: readonly SocketClient[];
	received(): number;
}

async function gather(pods: readonly System[]): Promise<Crowd> {
	const clients: SocketClient[] = [];
	const senders: SocketClient[] = [];
	let received = 0;
	for (let room = 0; room < ROOMS; room++) {
		const url = pods[room % pods.length]?.url ?? '';
		for (let member = 0; member < MEMBERS; member++) {
			const client = await SocketClient.connect(url, {
				localAddress: sourceAddress(clients.length),
				rooms: [`room-${room}`],
				onEvent: () => {
					received++;
				},
			});
			clients.push(client);
			if (member === 0) {
				senders.push(client);
			}
		}
	}
	return { clients, senders, received: () => received };
}

async function send({ senders, received }: Crowd, perRoom: number): Promise<void> {
	const due = received() + perRoom * ROOMS * MEMBERS;
	const burst = { count: perRoom, perSecond: PER_ROOM_AND_SECOND, bytes: 100 };
	await Promise.all(senders.map((sender, room) => sendBurst(sender, { ...burst, rooms: [`room-${room}`] })));
	await waitFor('every message to arrive', () => received() >= due);
}

async function measure({ scope, size, say }: BenchContext, kind: FleetKind, podCount: number): Promise<BurstCost> {
	const fleet = await startFleet(scope, kind);
	const pods: System[] = [];
	for (let index = 0; index < podCount; index++) {
		pods.push(await fleet.addPod(WORKERS));
	}
	const crowd = await gather(pods);
	say(`${kind}, ${podCount} pods: warming up`);
	await send(crowd, size(500, 50));
	say(`${kind}, ${podCount} pods: measuring`);
	const perRoom = size(1500, 150);
	const pids = pods.map(({ pid }) => pid);
	const cost = await measureBurst(pids, perRoom * ROOMS, size(10_000, 2000), () => send(crowd, perRoom));
	for (const client of crowd.clients) {
		client.drop();
	}
	return { ...cost, cpuMs: cost.cpuMs / (perRoom * ROOMS * MEMBERS) };
}

await runProgram('pods', async (context) => {
	const rows: Row[] = [];
	for (const kind of FLEET_KINDS) {
		let alone: number | undefined;
		for (const podCount of context.quick ? [1, 4] : [1, 2, 4]) {
			const { cpuMs, idlePercent } = await measure(context, kind, podCount);
			alone ??= cpuMs;
			const subject = `${kind}, ${podCount} pod${podCount === 1 ? '' : 's'}`;
			rows.push({ subject, values: { cpuUs: round(cpuMs * 1000), growth: round(cpuMs / alone), idlePercent: round(idlePercent) } });
		}
	}
	return rows;
});
