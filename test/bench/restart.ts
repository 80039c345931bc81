/** New sessions while a pod replaces its workers (SIGHUP), and how evenly each placement spreads them. */
import { waitFor } from '../support/wait.ts';
import type { Row } from './support/record.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { ConnectFailed, SocketClient, sourceAddress } from './support/socket-client.ts';
import { round, runMany } from './support/stats.ts';
import { type OurSystem, startOurs } from './support/systems.ts';

const WORKERS = 4;
const WIDTH = 16;
const RESTART_TIMEOUT_MS = 180_000;

interface Tally {
	sessions: number;
	refused: number;
	closed: number;
	hung: number;
}

/** Share of the sessions that the fullest worker has, in percent. */
async function measureSpread({ url, pod }: OurSystem, count: number): Promise<number> {
	const clients: SocketClient[] = [];
	await runMany(count, WIDTH, async (index) => {
		clients.push(await SocketClient.connect(url, { localAddress: sourceAddress(index) }));
	});
	const { workers, connections } = await pod.status();
	const fullest = Math.max(...workers.map(({ sessions }) => sessions));
	await Promise.all(clients.map((client) => client.close()));
	return (fullest / connections) * 100;
}

/** Opens and closes sessions until `isOver`. */
async function openDuring(url: string, isOver: () => boolean): Promise<Tally> {
	const tally: Tally = { sessions: 0, refused: 0, closed: 0, hung: 0 };
	let next = 0;
	const lane = async (): Promise<void> => {
		while (!isOver()) {
			try {
				const client = await SocketClient.connect(url, { localAddress: sourceAddress(next++) });
				tally.sessions++;
				client.drop();
			} catch (error) {
				if (!(error instanceof ConnectFailed)) {
					throw error;
				}
				tally[error.reason]++;
			}
		}
	};
	await Promise.all(Array.from({ length: WIDTH }, lane));
	return tally;
}

async function measure({ scope, size, say }: BenchContext, placement: 'ip-hash' | 'kernel'): Promise<Row> {
	const system = await startOurs(scope, { workers: WORKERS, placement, drainSpreadMs: 1000, drainTimeoutMs: 10_000 });
	const fullestPercent = await measureSpread(system, size(2000, 200));
	say(`${placement}: replacing the workers`);
	let over = false;
	system.pod.kill('SIGHUP');
	const replaced = waitFor('the workers to be replaced', () => system.pod.logs().find(({ msg }) => msg === 'workers replaced'), {
		timeoutMs: RESTART_TIMEOUT_MS,
	}).finally(() => {
		over = true;
	});
	const [tally] = await Promise.all([openDuring(system.url, () => over), replaced]);
	return { subject: placement, values: { ...tally, fullestPercent: round(fullestPercent) } };
}

await runProgram('restart', async (context) => [await measure(context, 'ip-hash'), await measure(context, 'kernel')]);
