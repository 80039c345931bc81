/** Rooms and local fan-out: CPU for each delivered message, against one plain process per core. */
import { measureCpu } from './support/proc.ts';
import { runProgram } from './support/run.ts';
import { round } from './support/stats.ts';
import { startOurs, startPlain } from './support/systems.ts';
import { type Room, Talkers } from './support/talkers.ts';

const CORES = 2;
const ROOMS_PER_CORE = 4;
const MEMBERS = 25;

class Subject {
	readonly name: string;
	readonly #pids: readonly number[];
	readonly #talkers: Talkers;
	readonly #local: boolean;
	#cpuMs = 0;
	#delivered = 0;

	constructor(name: string, pids: readonly number[], talkers: Talkers, local: boolean) {
		this.name = name;
		this.#pids = pids;
		this.#talkers = talkers;
		this.#local = local;
	}

	async talk(messages: number, isWarmUp: boolean): Promise<void> {
		const before = this.#talkers.received;
		const { cpuMs } = await measureCpu(this.#pids, () => this.#talkers.talk({ messages, local: this.#local }));
		if (!isWarmUp) {
			this.#cpuMs += cpuMs;
			this.#delivered += this.#talkers.received - before;
		}
	}

	get cpuUs(): number {
		return (this.#cpuMs * 1000) / this.#delivered;
	}
}

await runProgram('fanout', async ({ scope, size, say }) => {
	const rooms: Room[] = Array.from({ length: CORES * ROOMS_PER_CORE }, (_, index) => ({
		name: `room-${index}`,
		members: MEMBERS,
		talkers: 1,
		worker: index % CORES,
	}));
	const plain = [await startPlain(scope, 0), await startPlain(scope, 1)];
	const plainTalkers = await Talkers.connect(
		scope,
		plain.map(({ url }) => url),
		rooms,
	);
	const pod = await startOurs(scope, { workers: CORES });
	const podTalkers = await Talkers.connect(scope, [pod.url], rooms);

	const plainPids = plain.map(({ pid }) => pid);
	const baseline = new Subject('one plain process per core', plainPids, plainTalkers, false);
	const subjects = [
		baseline,
		new Subject('pod of 2 workers, io.local.to(room)', [pod.pid], podTalkers, true),
		new Subject('pod of 2 workers, io.to(room)', [pod.pid], podTalkers, false),
	];
	const rounds = size(6, 2);
	for (let index = 0; index <= rounds; index++) {
		say(index === 0 ? 'warming up' : `round ${index} of ${rounds}`);
		for (const subject of subjects) {
			await subject.talk(size(4000, 400), index === 0);
		}
	}
	return subjects.map((subject) => ({
		subject: subject.name,
		values: { cpuUs: round(subject.cpuUs), ratio: round(baseline.cpuUs / subject.cpuUs) },
	}));
});
