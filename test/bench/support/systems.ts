/** The subjects of the benchmarks: our pod, and what people run without it, each in processes of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { OptionKey } from '../../../src/config/schema.ts';
import { type Pod, startPod } from '../../support/pod.ts';
import type { Scope } from '../../support/redis-server.ts';
import { waitFor } from '../../support/wait.ts';
import type { Settings } from '../servers/settings.ts';
import { compile } from './compile.ts';

const START_TIMEOUT_MS = 60_000;
/** Nobody waits for a benchmark's clients to leave in peace. */
const DRAIN_OFF = { drainSpreadMs: 0, drainTimeoutMs: 1000 };

export interface System {
	readonly url: string;
	/** Root of the process tree. */
	readonly pid: number;
	hasEnded(): boolean;
}

export interface OurSystem extends System {
	readonly pod: Pod;
}

/** A pod as it is shipped, with the application of the benchmarks. `nodeArgs`: of all its processes. */
export async function startOurs(
	scope: Scope,
	options: Partial<Record<OptionKey, unknown>>,
	nodeArgs: readonly string[] = [],
): Promise<OurSystem> {
	const { cli, app } = compile();
	const pod = await startPod(scope, { cli, app, nodeArgs, options: { ...DRAIN_OFF, ...options } });
	let ended = false;
	void pod.exited.then(() => {
		ended = true;
	});
	return { pod, url: pod.url, pid: pod.pid, hasEnded: () => ended };
}

/** `slot`: which of several independent processes it is. */
export function startPlain(scope: Scope, slot = 0): Promise<System> {
	return startServer(scope, 'plain', { workers: 1, slot, redisUrl: '' });
}

export function startSticky(scope: Scope, workers: number): Promise<System> {
	return startServer(scope, 'sticky', { workers, slot: 0, redisUrl: '' });
}

export function startBare(scope: Scope, workers: number, bare: 'hand-over' | 'shared'): Promise<System> {
	return startServer(scope, 'bare', { workers, slot: 0, redisUrl: '', bare });
}

export function startOfficial(scope: Scope, workers: number, redisUrl: string): Promise<System> {
	return startServer(scope, 'official', { workers, slot: 0, redisUrl });
}

async function startServer(scope: Scope, name: 'plain' | 'bare' | 'sticky' | 'official', settings: Settings): Promise<System> {
	const child = spawn(process.execPath, [compile().server(name), JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'pipe'] });
	const ended = once(child, 'exit');
	scope.after(async () => {
		// Workers of node:cluster end when their primary is gone.
		child.kill('SIGKILL');
		await ended;
	});
	let output = '';
	for (const stream of [child.stdout, child.stderr]) {
		stream.setEncoding('utf8').on('data', (text: string) => {
			output += text;
		});
	}
	const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
	const port = await waitFor(`the ${name} server`, () => /\{"port":(\d+)\}/.exec(output)?.[1], { timeoutMs: START_TIMEOUT_MS }).catch(
		(error: unknown) => {
			throw new Error(`the ${name} server did not start:\n${output}`, { cause: error });
		},
	);
	return { url: `http://127.0.0.1:${port}`, pid: child.pid ?? 0, hasEnded };
}
