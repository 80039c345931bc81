/** Thousands of clients drop at once and come back within 2 s. The clients are in processes of their own. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ReturnReport, ToClients } from './clients/messages.ts';
import { sendBurst } from './support/bursts.ts';
import { type FleetKind, startFleet } from './support/fleets.ts';
import type { Row } from './support/record.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { SocketClient } from './support/socket-client.ts';
import { percentile } from './support/stats.ts';

const CLIENTS_FILE = fileURLToPath(new URL('clients/returning.ts', import.meta.url));
const CLIENT_PROCESSES = 2;
const WORKERS = 2;
const SPREAD_MS = 2000;
/** Sessions are saved after a disconnect, or in batches. */
const SETTLE_MS = 3000;

class ClientProcess {
	readonly #child: ChildProcess;

	constructor(scope: BenchContext['scope']) {
		this.#child = fork(CLIENTS_FILE, { serialization: 'advanced' });
		const ended = once(this.#child, 'exit');
		scope.after(async () => {
			this.#child.kill('SIGKILL');
			await ended;
		});
	}

	async ask(message: ToClients): Promise<ReturnReport | 'done'> {
		this.#child.send(message);
		const [answer] = (await Promise.race([once(this.#child, 'message'), this.#failure()])) as [ReturnReport | 'done'];
		return answer;
	}

	async #failure(): Promise<never> {
		const [code] = (await once(this.#child, 'exit')) as [number | null];
		throw new Error(`a client process ended with ${code}`);
	}
}

async function measure({ scope, size, say }: BenchContext, kind: FleetKind, clients: number, subject: string): Promise<Row> {
	const fleet = await startFleet(scope, kind);
	const pod = await fleet.addPod(WORKERS);
	const sender = await SocketClient.connect(pod.url);
	const processes = Array.from({ length: CLIENT_PROCESSES }, () => new ClientProcess(scope));
	const each = clients / CLIENT_PROCESSES;
	say(`${subject}: opening ${clients} clients`);
	await sendBurst(sender, { rooms: ['others'], count: size(10_000, 1000), perSecond: 2500, bytes: 400 });
	await Promise.all(
		processes.map((process, index) => process.ask({ kind: 'open', url: pod.url, count: each, firstAddress: index * each })),
	);
	await sendBurst(sender, { rooms: ['everyone'], count: 1, perSecond: 100, bytes: 10 });
	await Promise.all(processes.map((process) => process.ask({ kind: 'drop' })));
	await delay(SETTLE_MS);
	await sendBurst(sender, { rooms: ['others'], count: 1000, perSecond: 2500, bytes: 400 });
	await sendBurst(sender, { rooms: ['everyone'], count: 1, perSecond: 100, bytes: 10 });
	await delay(SETTLE_MS);

	say(`${subject}: all return`);
	const answers = await Promise.all(processes.map((process) => process.ask({ kind: 'return', spreadMs: SPREAD_MS })));
	sender.drop();
	const reports = answers.filter((answer) => answer !== 'done');
	const times = reports.flatMap((report) => report.times);
	const sum = (key: 'recovered' | 'lost' | 'repeated'): number => reports.reduce((total, report) => total + report[key], 0);
	return {
		subject,
		values: {
			clients,
			notRecovered: clients - sum('recovered'),
			p50Ms: Math.round(percentile(times, 0.5)),
			p99Ms: Math.round(percentile(times, 0.99)),
			lost: sum('lost'),
			repeated: sum('repeated'),
		},
	};
}

await runProgram('returning', async (context) => {
	const few = context.size(200, 50);
	return [
		await measure(context, 'official adapter', few, 'official adapter, few'),
		await measure(context, 'socketfleet', few, 'socketfleet, few'),
		await measure(context, 'socketfleet', context.size(5000, 500), 'socketfleet, many'),
	];
});
