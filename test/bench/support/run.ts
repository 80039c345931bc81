/** Runs one benchmark from the command line: repetitions, cleaning up, and one JSON record on standard output. */
import { Command } from 'commander';
import type { Scope } from '../../support/redis-server.ts';
import type { ProgramName } from '../catalog.ts';
import { readEnvironment } from './environment.ts';
import type { BenchRecord, Row } from './record.ts';

const REPETITIONS = 2;

export interface BenchContext {
	/** Everything that is started ends with it. */
	readonly scope: Scope;
	readonly quick: boolean;
	/** A size: the first for a full run, the second for a quick one. */
	size(full: number, quick: number): number;
	/** A line for the person who waits. */
	say(text: string): void;
}

type Measure = (context: BenchContext) => Promise<readonly Row[]>;

/** To be called once by each program. */
export async function runProgram(name: ProgramName, measure: Measure): Promise<void> {
	const command = new Command(name).option('--quick', 'small sizes, to see that it works; no figures to go by', false);
	const { quick } = command.parse().opts<{ quick: boolean }>();
	const environment = readEnvironment();
	const startedAt = new Date();
	const repetitions: (readonly Row[])[] = [];
	for (let repetition = 1; repetition <= REPETITIONS; repetition++) {
		const say = (text: string): void => console.error(`${name} ${repetition}/${REPETITIONS}: ${text}`);
		repetitions.push(await repeatOnce(measure, { quick, say, size: (full, small) => (quick ? small : full) }));
	}
	const record: BenchRecord = {
		program: name,
		mode: quick ? 'quick' : 'full',
		startedAt: startedAt.toISOString(),
		seconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
		environment,
		repetitions,
	};
	console.log(JSON.stringify(record, undefined, '\t'));
}

/** A signal cleans up as the end does: servers must not outlive their benchmark. */
async function repeatOnce(measure: Measure, context: Omit<BenchContext, 'scope'>): Promise<readonly Row[]> {
	const scope = new CleanupScope();
	const onSignal = (): void => void scope.close().finally(() => process.exit(130));
	process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
	try {
		return await measure({ ...context, scope });
	} finally {
		process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
		await scope.close();
	}
}

class CleanupScope implements Scope {
	readonly #cleanups: (() => void | Promise<void>)[] = [];

	after(cleanup: () => void | Promise<void>): void {
		this.#cleanups.push(cleanup);
	}

	/** Last in, first out. */
	async close(): Promise<void> {
		for (let cleanup = this.#cleanups.pop(); cleanup; cleanup = this.#cleanups.pop()) {
			await cleanup();
		}
	}
}
