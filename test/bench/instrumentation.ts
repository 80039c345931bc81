/** What measuring costs: a pod as it is shipped and the same pod without metrics, side by side, in turns. */
import { pathToFileURL } from 'node:url';
import { compile } from './support/compile.ts';
import { preciseCpuMsOf, treeOf } from './support/proc.ts';
import type { Row } from './support/record.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { SocketClient, sourceAddress } from './support/socket-client.ts';
import { percentile, round, runMany } from './support/stats.ts';
import { type OurSystem, startOurs } from './support/systems.ts';
import { type Room, Talkers } from './support/talkers.ts';

/** Of one worker, so that no message costs more because of where its members came to be. */
const WORKERS = 1;
const CLIENTS = 200;
const WIDTH = 32;
/** Until the compiler of both has seen what there is to see. */
const WARM_UP_ROUNDS = 5;

interface Pair<T> {
	readonly measured: T;
	readonly bare: T;
}

async function startPair({ scope }: BenchContext): Promise<Pair<OurSystem>> {
	const { href } = pathToFileURL(compile().server('without-metrics'));
	return {
		measured: await startOurs(scope, { workers: WORKERS }, ['--expose-gc']),
		bare: await startOurs(scope, { workers: WORKERS }, ['--expose-gc', '--import', href]),
	};
}

/** Server CPU for each delivered message, in µs. */
async function talk({ pid }: OurSystem, talkers: Talkers, messages: number): Promise<number> {
	const pids = treeOf(pid);
	const [cpuBefore, receivedBefore] = [preciseCpuMsOf(pids), talkers.received];
	await talkers.talk({ messages, local: true });
	return ((preciseCpuMsOf(pids) - cpuBefore) * 1000) / (talkers.received - receivedBefore);
}

/** Two processes of one program differ by a few percent for as long as they live, hence several pairs of them. */
async function measureMessages(context: BenchContext, members: number, talkersPerRoom: number): Promise<Row> {
	const { size, say } = context;
	const pairs = size(4, 2);
	const rounds: Pair<number>[] = [];
	for (let pair = 1; pair <= pairs; pair++) {
		say(`rooms of ${members}: pair ${pair} of ${pairs}`);
		rounds.push(...(await takeTurns(await startTalkers(context, members, talkersPerRoom), size(20, 8))));
	}
	return {
		subject: `rooms of ${members}`,
		values: {
			cpuUs: median(rounds.map(({ measured }) => measured)),
			bareCpuUs: median(rounds.map(({ bare }) => bare)),
			percent: median(rounds.map(({ measured, bare }) => (measured / bare - 1) * 100)),
		},
	};
}

/** Neighbours in time are compared, so that what else the machine does hits both; who goes first changes. */
async function takeTurns({ measured, bare }: Pair<() => Promise<number>>, count: number): Promise<Pair<number>[]> {
	const rounds: Pair<number>[] = [];
	for (let round = 0; round < WARM_UP_ROUNDS + count; round++) {
		if (round % 2 === 0) {
			rounds.push({ measured: await measured(), bare: await bare() });
		} else {
			rounds.push({ bare: await bare(), measured: await measured() });
		}
	}
	return rounds.slice(WARM_UP_ROUNDS);
}

function median(values: readonly number[]): number {
	return round(percentile(values, 0.5));
}

/** Each function has some messages sent in its pod, and resolves to what one delivery has cost. */
async function startTalkers(context: BenchContext, members: number, talkersPerRoom: number): Promise<Pair<() => Promise<number>>> {
	const { scope, size } = context;
	const pods = await startPair(context);
	const rooms: Room[] = Array.from({ length: CLIENTS / members }, (_, index) => ({
		name: `room-${index}`,
		members,
		talkers: talkersPerRoom,
	}));
	const messages = Math.ceil(size(25_000, 10_000) / members);
	const connect = async (pod: OurSystem): Promise<() => Promise<number>> => {
		const talkers = await Talkers.connect(scope, [pod.url], rooms);
		return () => talk(pod, talkers, messages);
	};
	return { measured: await connect(pods.measured), bare: await connect(pods.bare) };
}

/** JavaScript heap for each idle connection, after a forced collection, in bytes. */
async function measureHeap({ scope }: BenchContext, { url }: OurSystem, count: number): Promise<number> {
	const observer = await SocketClient.connect(url);
	const clients = [observer];
	scope.after(() => {
		for (const client of clients) {
			client.drop();
		}
	});
	const before = Number(await observer.request('heap'));
	await runMany(count, WIDTH, async (index) => {
		clients.push(await SocketClient.connect(url, { localAddress: sourceAddress(index) }));
	});
	return (Number(await observer.request('heap')) - before) / count;
}

async function measureConnections(context: BenchContext, pods: Pair<OurSystem>): Promise<Row> {
	const count = context.size(5000, 500);
	context.say(`${count} connections to each`);
	const heapBytes = await measureHeap(context, pods.measured, count);
	const bareHeapBytes = await measureHeap(context, pods.bare, count);
	return {
		subject: 'idle connections',
		values: { heapBytes: round(heapBytes), bareHeapBytes: round(bareHeapBytes), extraBytes: round(heapBytes - bareHeapBytes) },
	};
}

await runProgram('instrumentation', async (context) => [
	await measureMessages(context, 2, 2),
	await measureMessages(context, 25, 1),
	await measureConnections(context, await startPair(context)),
]);
