/** The same load on 1, 2 and 4 pods, rooms local to pods: CPU of the whole fleet for each delivered message. */
import { setTimeout as delay } from 'node:timers/promises';
import { measureBurst, sendBurst } from './support/bursts.ts';
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
const WAIT_FOR_THE_REST_MS = 20_000;
const POLL_MS = 20;

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

/** Gives how many messages did not arrive. */
async function send({ senders, received }: Crowd, perRoom: number): Promise<number> {
	const due = received() + perRoom * ROOMS * MEMBERS;
	const burst = { count: perRoom, perSecond: PER_ROOM_AND_SECOND, bytes: 100 };
	await Promise.all(senders.map((sender, room) => sendBurst(sender, { ...burst, rooms: [`room-${room}`] })));
	const until = performance.now() + WAIT_FOR_THE_REST_MS;
	while (received() < due && performance.now() < until) {
		await delay(POLL_MS);
	}
	return due - received();
}

interface Result {
	/** CPU for each delivered message. */
	readonly cpuUs: number;
	readonly idlePercent: number;
	readonly lost: number;
}

async function measure({ scope, size, say }: BenchContext, subject: string, kind: FleetKind, podCount: number): Promise<Result> {
	const fleet = await startFleet(scope, kind);
	const pods: System[] = [];
	for (let index = 0; index < podCount; index++) {
		pods.push(await fleet.addPod(WORKERS));
	}
	const crowd = await gather(pods);
	say(`${subject}: warming up`);
	await send(crowd, size(500, 50));
	say(`${subject}: measuring`);
	const perRoom = size(1500, 150);
	const pids = pods.map(({ pid }) => pid);
	let lost = 0;
	const { cpuMs, idlePercent } = await measureBurst(pids, perRoom * ROOMS, size(10_000, 2000), async () => {
		lost = await send(crowd, perRoom);
	});
	for (const client of crowd.clients) {
		client.drop();
	}
	return { cpuUs: (cpuMs * 1000) / (perRoom * ROOMS * MEMBERS - lost), idlePercent, lost };
}

await runProgram('pods', async (context) => {
	const rows: Row[] = [];
	for (const kind of FLEET_KINDS) {
		let alone: number | undefined;
		for (const podCount of context.quick ? [1, 4] : [1, 2, 4]) {
			const subject = `${kind}, ${podCount} pod${podCount === 1 ? '' : 's'}`;
			const { cpuUs, idlePercent, lost } = await measure(context, subject, kind, podCount);
			alone ??= cpuUs;
			rows.push({ subject, values: { cpuUs: round(cpuUs), growth: round(cpuUs / alone), idlePercent: round(idlePercent), lost } });
		}
	}
	return rows;
});
