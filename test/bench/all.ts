/**
 * Runs the benchmarks one after the other, prints their records as one JSON object, and keeps those of full runs in
 * docs/benchmarks.json, from which docs/benchmarks.md is rendered.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { BENCHMARKS_JSON, readResults, renderBenchmarks } from '../../scripts/benchmarks-doc.ts';
import { PROGRAM_NAMES, type ProgramName } from './catalog.ts';
import { type BenchRecord, type BenchResults, mergeRecord } from './support/record.ts';

const BENCHMARKS_PAGE = join(import.meta.dirname, '../../docs/benchmarks.md');

const values = new Command('npm run bench --')
	.description('Runs the benchmarks one after the other, and keeps the records of full runs in docs/.')
	.option('--only <names>', `some of them, separated by commas: ${PROGRAM_NAMES.join(', ')}`)
	.option('--quick', 'small sizes, to see that they work; no figures to go by', false)
	.option('--write', 'keep the records of quick runs, too, marked as such; they never replace those of full ones', false)
	.parse()
	.opts<{ only?: string; quick: boolean; write: boolean }>();

/** See support/run.ts. */
const EXIT_OF_A_SIGNAL = 130;

let interrupted = false;
const names = chooseNames(values.only);
const records: Record<string, BenchRecord> = {};
const failed: string[] = [];
for (const name of names) {
	const record = await runOne(name);
	if (record) {
		records[name] = record;
		keep(record);
	} else {
		failed.push(name);
	}
	if (interrupted) {
		break;
	}
}
console.log(JSON.stringify(records, undefined, '\t'));
if (failed.length > 0) {
	console.error(`failed: ${failed.join(', ')}`);
	process.exitCode = 1;
}

function chooseNames(only: string | undefined): readonly ProgramName[] {
	if (only === undefined) {
		return PROGRAM_NAMES;
	}
	const wanted = only.split(',');
	const unknown = wanted.filter((name) => !(PROGRAM_NAMES as readonly string[]).includes(name));
	if (unknown.length > 0) {
		console.error(`no such benchmark: ${unknown.join(', ')}; there are ${PROGRAM_NAMES.join(', ')}`);
		process.exit(2);
	}
	return PROGRAM_NAMES.filter((name) => wanted.includes(name));
}

/** In a process of its own: what one leaves in memory must not be in the figures of the next. */
async function runOne(name: ProgramName): Promise<BenchRecord | undefined> {
	const file = join(import.meta.dirname, `${name}.ts`);
	const child = spawn(process.execPath, [file, ...(values.quick ? ['--quick'] : [])], { stdio: ['ignore', 'pipe', 'inherit'] });
	let output = '';
	child.stdout.setEncoding('utf8').on('data', (text: string) => {
		output += text;
	});
	// A program ends its servers when it is told to end; left alone it would go on.
	const onSignal = (signal: NodeJS.Signals): void => void child.kill(signal);
	process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
	const [code] = (await once(child, 'close')) as [number | null];
	process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
	interrupted = code === EXIT_OF_A_SIGNAL;
	return code === 0 ? (JSON.parse(output) as BenchRecord) : undefined;
}

/** After each program, so that an interrupted run keeps what it has. */
function keep(record: BenchRecord): void {
	if (record.mode === 'quick' && !values.write) {
		return;
	}
	const results: BenchResults = mergeRecord(readResults(), record);
	writeFileSync(BENCHMARKS_JSON, `${JSON.stringify(results, undefined, '\t')}\n`);
	writeFileSync(BENCHMARKS_PAGE, renderBenchmarks(results));
}
