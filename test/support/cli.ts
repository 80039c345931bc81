/** The command line in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Scope } from './redis-server.ts';

const PROGRAMS = {
	socketfleet: fileURLToPath(new URL('../../src/cli.ts', import.meta.url)),
	'kubectl-socketfleet': fileURLToPath(new URL('../../src/kubectl-socketfleet.ts', import.meta.url)),
};
export type Program = keyof typeof PROGRAMS;

export interface CliResult {
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

export interface CliRun {
	readonly child: ChildProcess;
	readonly ended: Promise<CliResult>;
	/** What it has written so far, both streams. */
	output(): string;
}

/** Starts the program with these arguments, without the environment's own SOCKETFLEET_ variables; killed with the test. */
export function startCli(
	t: Scope,
	args: readonly string[],
	env: Readonly<Record<string, string>> = {},
	program: Program = 'socketfleet',
): CliRun {
	const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(SOCKETFLEET_|NODE_TEST_CONTEXT)/.test(name)));
	const child = spawn(process.execPath, [PROGRAMS[program], ...args], { env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
	let stdout = '';
	let stderr = '';
	child.stdout.setEncoding('utf8').on('data', (text: string) => {
		stdout += text;
	});
	child.stderr.setEncoding('utf8').on('data', (text: string) => {
		stderr += text;
	});
	const ended = new Promise<CliResult>((resolve, reject) => {
		child.once('error', reject);
		child.once('close', (code) => resolve({ code, stdout, stderr }));
	});
	t.after(async () => {
		child.kill('SIGKILL');
		await ended;
	});
	return { child, ended, output: () => stdout + stderr };
}

export function runCli(
	t: Scope,
	args: readonly string[],
	env: Readonly<Record<string, string>> = {},
	program: Program = 'socketfleet',
): Promise<CliResult> {
	return startCli(t, args, env, program).ended;
}
