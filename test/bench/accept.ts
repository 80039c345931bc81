/** Server CPU for each new WebSocket session, and sessions that hang: ours, plain Socket.IO, the least that workers cost, and @socket.io/sticky. */
import { measureCpu } from './support/proc.ts';
import type { Row } from './support/record.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { ConnectFailed, SocketClient, sourceAddress } from './support/socket-client.ts';
import { round, runMany } from './support/stats.ts';
import { type System, startBare, startOurs, startPlain, startSticky } from './support/systems.ts';

const PLAIN = 'plain Socket.IO, one process';
const WIDTH = 32;

class Subject {
	readonly name: string;
	readonly workers: number;
	readonly #system: System;
	#cpuMs = 0;
	#measured = 0;
	#opened = 0;
	#hung = 0;
	#refused = 0;

	constructor(name: string, workers: number, system: System) {
		this.name = name;
		this.workers = workers;
		this.#system = system;
	}

	/** Opens `count` sessions and closes them again; only the opening is measured. */
	async openAndClose(count: number, isWarmUp: boolean): Promise<void> {
		const clients: SocketClient[] = [];
		const { cpuMs } = await measureCpu([this.#system.pid], () => runMany(count, WIDTH, async () => this.#openOne(clients)));
		if (!isWarmUp) {
			this.#cpuMs += cpuMs;
			this.#measured += clients.length;
		}
		await Promise.all(clients.map((client) => client.close()));
	}

	async #openOne(clients: SocketClient[]): Promise<void> {
		const localAddress = sourceAddress(this.#opened++);
		try {
			clients.push(await SocketClient.connect(this.#system.url, { localAddress }));
		} catch (error) {
			if (!(error instanceof ConnectFailed)) {
				throw error;
			}
			if (error.reason === 'hung') {
				this.#hung++;
			} else {
				this.#refused++;
			}
		}
	}

	get cpuUsPerSession(): number {
		return (this.#cpuMs * 1000) / this.#measured;
	}

	row(plainCpuUs: number): Row {
		return {
			subject: this.name,
			values: {
				cpuUs: round(this.cpuUsPerSession),
				ratio: round(this.cpuUsPerSession / plainCpuUs),
				sessions: this.#opened,
				hung: this.#hung,
				refused: this.#refused,
			},
		};
	}
}

await runProgram('accept', async ({ scope, size, say }: BenchContext) => {
	const plain = new Subject(PLAIN, 1, await startPlain(scope));
	const subjects = [plain];
	for (const workers of [1, 2, 4, 8]) {
		const name = `ip-hash, ${workers} worker${workers === 1 ? '' : 's'}`;
		subjects.push(new Subject(name, workers, await startOurs(scope, { workers, placement: 'ip-hash' })));
	}
	subjects.push(new Subject('kernel, 2 workers', 2, await startOurs(scope, { workers: 2, placement: 'kernel' })));
	subjects.push(new Subject('bare hand-over, 2 workers', 2, await startBare(scope, 2, 'hand-over')));
	subjects.push(new Subject('bare shared handle, 2 workers', 2, await startBare(scope, 2, 'shared')));
	subjects.push(new Subject('sticky, 2 workers', 2, await startSticky(scope, 2)));

	// Ours have 17 workers and 5 subjects: in 2 repetitions 50,000 sessions of a full run, 2,000 of a quick one.
	const warmUpPerWorker = size(500, 20);
	const perSubject = size(3300, 132);
	const rounds = size(10, 4);
	for (const subject of subjects) {
		say(`warming up ${subject.name}`);
		await subject.openAndClose(warmUpPerWorker * subject.workers, true);
	}
	for (let index = 1; index <= rounds; index++) {
		say(`round ${index} of ${rounds}`);
		for (const subject of subjects) {
			await subject.openAndClose(perSubject / rounds, false);
		}
	}
	return subjects.map((subject) => subject.row(plain.cpuUsPerSession));
});
