/** Memory of a server that has just started, and of each idle connection. */
import { setTimeout as delay } from 'node:timers/promises';
import { readMemory } from './support/proc.ts';
import type { Row } from './support/record.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { SocketClient, sourceAddress } from './support/socket-client.ts';
import { round, runMany } from './support/stats.ts';
import { type System, startOurs, startPlain } from './support/systems.ts';

const WIDTH = 32;
const KIB_PER_MIB = 1024;

async function measure({ scope, size, say }: BenchContext, subject: string, system: System): Promise<Row> {
	// Garbage of starting up, and of the handshakes, is given back in the first seconds.
	const settleMs = size(10_000, 2000);
	await delay(settleMs);
	const bare = readMemory(system.pid);
	const count = size(5000, 500);
	say(`${subject}: opening ${count} connections`);
	const clients: SocketClient[] = [];
	scope.after(() => {
		for (const client of clients) {
			client.drop();
		}
	});
	await runMany(count, WIDTH, async (index) => {
		clients.push(await SocketClient.connect(system.url, { localAddress: sourceAddress(index) }));
	});
	await delay(settleMs);
	const held = readMemory(system.pid);
	return {
		subject,
		values: {
			bareAnonymousMiB: round(bare.anonymousMiB),
			barePssMiB: round(bare.pssMiB),
			connections: clients.length,
			rssKiBPerConnection: round(((held.rssMiB - bare.rssMiB) * KIB_PER_MIB) / clients.length),
		},
	};
}

await runProgram('memory', async (context) => [
	await measure(context, 'plain Socket.IO, one process', await startPlain(context.scope)),
	await measure(context, 'pod of 2 workers', await startOurs(context.scope, { workers: 2 })),
]);
