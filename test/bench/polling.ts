/** Polling sessions whose requests share a proxy's few connections: requests for each second of server CPU, and misrouted ones. */
import { Agent } from 'node:http';
import { PollingSession, type PollingTally, SessionBroken } from './support/polling-session.ts';
import { startPoolingProxy } from './support/pooling-proxy.ts';
import { measureCpu } from './support/proc.ts';
import type { Row } from './support/record.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { round } from './support/stats.ts';
import { type System, startOurs, startPlain, startSticky } from './support/systems.ts';

const WORKERS = 4;
const POOLED_CONNECTIONS = 8;
const SESSIONS_AT_A_TIME = 32;
const MESSAGES_PER_SESSION = 20;

interface Result extends PollingTally {
	readonly cpuMs: number;
}

/** Sessions one after the other in each lane, until the time is up. */
async function load(url: string, seconds: number, tally: PollingTally): Promise<void> {
	const agent = new Agent({ keepAlive: true });
	const end = performance.now() + seconds * 1000;
	const lane = async (): Promise<void> => {
		while (performance.now() < end) {
			await runSession(new PollingSession(url, agent, tally));
		}
	};
	await Promise.all(Array.from({ length: SESSIONS_AT_A_TIME }, lane));
	agent.destroy();
}

async function runSession(session: PollingSession): Promise<void> {
	try {
		await session.open();
		for (let value = 0; value < MESSAGES_PER_SESSION; value++) {
			await session.echo(value);
		}
		await session.close();
	} catch (error) {
		if (!(error instanceof SessionBroken)) {
			throw error;
		}
	}
}

async function measure({ scope, size, say }: BenchContext, name: string, system: System): Promise<Result> {
	const url = await startPoolingProxy(scope, system.url, POOLED_CONNECTIONS);
	say(`${name}: warming up`);
	await load(url, size(5, 1), { completed: 0, misrouted: 0, failed: 0 });
	say(`${name}: measuring`);
	const tally = { completed: 0, misrouted: 0, failed: 0 };
	const { cpuMs } = await measureCpu([system.pid], () => load(url, size(20, 3), tally));
	return { ...tally, cpuMs };
}

await runProgram('polling', async (context) => {
	const results: [string, Result][] = [];
	for (const placement of ['ip-hash', 'kernel'] as const) {
		const system = await startOurs(context.scope, { workers: WORKERS, placement });
		results.push([placement, await measure(context, placement, system)]);
	}
	results.push(['plain Socket.IO, one process', await measure(context, 'plain', await startPlain(context.scope))]);
	const sticky = await measure(context, 'sticky', await startSticky(context.scope, WORKERS));
	results.push(['sticky', sticky]);

	const perCpuSecond = ({ completed, cpuMs }: Result): number => completed / (cpuMs / 1000);
	return results.map(
		([subject, result]): Row => ({
			subject,
			values: {
				perCpuSecond: round(perCpuSecond(result)),
				ratio: round(perCpuSecond(result) / perCpuSecond(sticky)),
				completed: result.completed,
				misrouted: result.misrouted,
				failed: result.failed,
			},
		}),
	);
});
