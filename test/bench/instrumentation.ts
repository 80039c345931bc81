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

/** Neighbours in time are compared, so that what else the machine does hits both; who goes first changes. */
async function measureMessages(context: BenchContext, pods: Pair<OurSystem>, members: number, talkersPerRoom: number): Promise<Row> {
	const { scope, size, say } = context;
	const subject = `rooms of ${members}`;
	const rooms: Room[] = Array.from({ length: 200 / members }, (_, index) => ({
		name: `${subject}, ${index}`,
		members,
		talkers: talkersPerRoom,
	}));
	const measured = await Talkers.connect(scope, [pods.measured.url], rooms);
	const bare = await Talkers.connect(scope, [pods.bare.url], rooms);
	const messages = Math.ceil(size(25_000, 10_000) / members);
	const talkMeasured = (): Promise<number> => talk(pods.measured, measured, messages);
	const talkBare = (): Promise<number> => talk(pods.bare, bare, messages);
	say(`${subject}: warming up`);
	for (let index = 0; index < WARM_UP_ROUNDS; index++) {
		await talkMeasured();
		await talkBare();
	}
	const [costs, bareCosts]: [number[], number[]] = [[], []];
	const rounds = size(80, 20);
	say(`${subject}: ${rounds} rounds`);
	for (let index = 0; index < rounds; index++) {
		if (index % 2 === 0) {
			costs.push(await talkMeasured());
			bareCosts.push(await talkBare());
		} else {
			bareCosts.push(await talkBare());
			costs.push(await talkMeasured());
		}
	}
	const ratios = costs.map((cost, index) => cost / (bareCosts[index] ?? 0));
	return {
		subject,
		values: {
			cpuUs: round(percentile(costs, 0.5)),
			bareCpuUs: round(percentile(bareCosts, 0.5)),
			percent: round((percentile(ratios, 0.5) - 1) * 100),
		},
	};
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

await runProgram('instrumentation', async (context) => {
	const pods = await startPair(context);
	return [
		await measureMessages(context, pods, 2, 2),
		await measureMessages(context, pods, 25, 1),
		await measureConnections(context, await startPair(context)),
	];
});
