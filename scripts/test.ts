/**
 * Runs tiers of tests and sums them up.
 *
 *   node scripts/test.ts check unit integration     tiers, in this order
 *   node scripts/test.ts integration drain bus      the files of a tier whose names contain one of these
 *
 * Files run in processes of their own, but for unit tests, which share one for each core: starting took longer than they do. Those of
 * `integration` and below run one at a time: they start pods, and two cores are all that CI has. A file that fails is run a second time by
 * itself; what passes then counts as passed and is listed as flaky, with its first output: a machine that stalled must not hide a result,
 * nor make one up.
 */
import { spawn, spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Tier {
	readonly files: string;
	/** How many processes share the files, all at once; without it each file has its own, one after the other. */
	readonly processes?: number;
	/** For one test, in ms. */
	readonly timeoutMs: number;
	readonly retry: boolean;
}

interface Result {
	readonly passed: number;
	readonly failed: number;
	readonly output: string;
}

const TIERS: Record<string, Tier> = {
	unit: { files: 'test/unit/**/*.test.ts', processes: availableParallelism(), timeoutMs: 20_000, retry: false },
	conformance: { files: 'test/conformance/**/*.test.ts', timeoutMs: 120_000, retry: true },
	integration: { files: 'test/integration/**/*.test.ts', timeoutMs: 180_000, retry: true },
	chaos: { files: 'test/chaos/**/*.test.ts', timeoutMs: 300_000, retry: true },
	full: { files: 'test/full/**/*.test.ts', timeoutMs: 900_000, retry: true },
	chart: { files: 'test/chart/**/*.test.ts', timeoutMs: 120_000, retry: false },
	e2e: { files: 'test/e2e/**/*.test.ts', timeoutMs: 900_000, retry: true },
};

const CHECKS: Record<string, readonly string[]> = {
	types: ['tsc', '--noEmit'],
	lint: ['biome', 'check', '--error-on-warnings', '.'],
	promises: ['oxlint', '--type-aware', '--deny-warnings', 'src', 'test', 'scripts'],
	generated: ['node', 'scripts/generate.ts', '--check'],
};

/** A process is killed after this: a hang must not eat CI's time. */
const PROCESS_TIMEOUT_MS = 1_200_000;
const SLOWEST = 10;

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (program: string): string => `${root}/node_modules/.bin/${program}`;

const words = process.argv.slice(2);
const tiers = words.filter((word) => word === 'check' || word in TIERS);
const filters = words.filter((word) => !tiers.includes(word));
if (tiers.length === 0) {
	console.error(`usage: node scripts/test.ts <tier>... [part of a file's name]...\ntiers: check, ${Object.keys(TIERS).join(', ')}`);
	process.exit(2);
}

let passed = 0;
let failed = 0;
const flaky: string[] = [];
const failureLines: string[] = [];
/** What was run, and how long it took. */
const durations: { readonly name: string; readonly seconds: number }[] = [];
for (const name of tiers) {
	const startedAt = Date.now();
	if (name === 'check') {
		runChecks();
	} else {
		await runTier(TIERS[name] as Tier);
	}
	console.log(`# ${name}: ${Math.round((Date.now() - startedAt) / 1000)} s, so far ${passed} passed, ${failed} failed`);
}
for (const { name, seconds } of durations.toSorted((a, b) => b.seconds - a.seconds).slice(0, SLOWEST)) {
	console.log(`# slow: ${seconds} s ${name}`);
}
for (const line of failureLines) {
	console.log(`# failed: ${line}`);
}
for (const file of flaky) {
	console.log(`# flaky, passed when run again by itself: ${file}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

function runChecks(): void {
	for (const [name, [program = '', ...args]] of Object.entries(CHECKS)) {
		const { status, stdout, stderr } = spawnSync(bin(program), args, { cwd: root, encoding: 'utf8' });
		count(status === 0);
		console.log(`${status === 0 ? 'ok' : 'FAILED'} check ${name}`);
		if (status !== 0) {
			console.log(`${stdout}${stderr}`);
		}
	}
}

function count(ok: boolean): void {
	if (ok) {
		passed++;
	} else {
		failed++;
	}
}

async function runTier(tier: Tier): Promise<void> {
	const files = globSync(tier.files, { cwd: root })
		.sort()
		.filter((file) => filters.length === 0 || filters.some((filter) => basename(file).includes(filter)));
	if (tier.processes !== undefined) {
		await Promise.all(dealOut(files, tier.processes).map((hand) => runAndCount(hand, tier)));
		return;
	}
	for (const file of files) {
		await runAndCount([file], tier);
	}
}

function dealOut(files: readonly string[], hands: number): string[][] {
	const dealt = Array.from({ length: hands }, (_, hand) => files.filter((_file, index) => index % hands === hand));
	return dealt.filter((hand) => hand.length > 0);
}

async function runAndCount(files: readonly string[], tier: Tier): Promise<void> {
	const name = tier.processes === undefined ? files.join() : `${files.length} files of ${tier.files}`;
	const startedAt = Date.now();
	let result = await runFiles(files, tier);
	if (result.failed > 0 && tier.retry) {
		console.log(`FAILED once, runs again: ${name}\n${result.output}`);
		const again = await runFiles(files, tier);
		if (again.failed === 0) {
			flaky.push(name);
		}
		result = again;
	}
	durations.push({ name, seconds: Math.round((Date.now() - startedAt) / 1000) });
	passed += result.passed;
	failed += result.failed;
	console.log(`${result.failed === 0 ? 'ok' : 'FAILED'} ${name} (${result.passed} passed, ${result.failed} failed)`);
	if (result.failed > 0) {
		console.log(result.output);
	}
}

/** Each failed test with the beginning of its error: what is left of a long log is often its end. */
function briefly(tap: string): string[] {
	const found = tap.matchAll(/^not ok \d+ - ([^\n]*)$.*?^ {2}error: (?:\|-\n)?\s*(.*?)\n {2}\w+:/gms);
	return [...found].map(([, name = '', error = '']) => `${name}: ${error.replaceAll(/\s+/g, ' ').slice(0, 300)}`);
}

function runFiles(files: readonly string[], tier: Tier): Promise<Result> {
	const isolation = `--test-isolation=${tier.processes === undefined ? 'process' : 'none'}`;
	const args = ['--test', '--test-reporter=tap', `--test-timeout=${tier.timeoutMs}`, isolation, ...files];
	return new Promise((resolve) => {
		// Not detached: a Ctrl-C at the terminal ends the tests too.
		const child = spawn(bin('node'), args, { cwd: root });
		const timer = setTimeout(() => child.kill('SIGKILL'), PROCESS_TIMEOUT_MS);
		let output = '';
		for (const stream of [child.stdout, child.stderr]) {
			stream.setEncoding('utf8').on('data', (text: string) => {
				output += text;
			});
		}
		child.on('close', (code) => {
			clearTimeout(timer);
			failureLines.push(...briefly(output));
			const number = (word: string): number => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
			const failures = number('fail') + number('cancelled');
			resolve({ passed: number('pass'), failed: failures === 0 && code !== 0 ? 1 : failures, output });
		});
	});
}
