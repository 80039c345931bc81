/** A real pod: `socketfleet serve` in processes of its own, on free ports, ended with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { envNameOf, type OptionKey } from '../../src/config/schema.ts';
import type { Scope } from './redis-server.ts';
import { GiveUp, waitFor } from './wait.ts';

export const FLEET_KEY = 'test-fleet-key-0123456789';
const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export interface PodOptions {
	/** Beside the tests' defaults: loopback, free ports, 2 workers, a quick drain. */
	readonly options?: Partial<Record<OptionKey, unknown>>;
	readonly app?: string;
	/** Do not wait until every worker is ready. */
	readonly waitForReady?: boolean;
	readonly nodeArgs?: readonly string[];
	/** Another entry point than the sources', as the compiled one. */
	readonly cli?: string;
}

export interface LogLine {
	readonly msg: string;
	readonly level: number;
	readonly [field: string]: unknown;
}

export interface PodStatus {
	readonly pod: string;
	readonly pods: readonly string[];
	readonly ready: boolean;
	readonly reasons: readonly string[];
	readonly connections: number;
	readonly tunnels: number;
	readonly ports: { readonly public: number; readonly admin: number; readonly internal?: number; readonly api?: number };
	readonly workers: readonly {
		readonly slot: number;
		readonly state: string;
		readonly pid: number;
		readonly sessions: number;
		readonly failures: number;
	}[];
	readonly [field: string]: unknown;
}

export interface Pod {
	readonly pid: number;
	readonly url: string;
	readonly adminUrl: string;
	readonly ports: PodStatus['ports'];
	readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
	logs(): readonly LogLine[];
	/** Everything it wrote that was not a log line. */
	output(): string;
	status(): Promise<PodStatus>;
	metrics(): Promise<string>;
	/** Sum over the samples of one metric that have these labels. */
	metric(name: string, labels?: Record<string, string>): Promise<number>;
	kill(signal?: NodeJS.Signals): void;
}

/** Six processes start on two cores that do other things, too. */
const START = { timeoutMs: 90_000 };

const DEFAULTS: Partial<Record<OptionKey, unknown>> = {
	host: '127.0.0.1',
	port: 0,
	adminPort: 0,
	internalPort: 0,
	apiPort: 0,
	workers: 2,
	drainSpreadMs: 200,
	drainTimeoutMs: 10_000,
};

export async function startPod(t: Scope, podOptions: PodOptions = {}): Promise<Pod> {
	const { options = {}, app, waitForReady = true, nodeArgs = [], cli = CLI } = podOptions;
	const redis = options.redisUrl === undefined ? {} : { fleetKey: FLEET_KEY };
	const effective = { ...DEFAULTS, ...redis, ...options };
	const env: NodeJS.ProcessEnv = { ...process.env };
	for (const [key, value] of Object.entries(effective)) {
		env[envNameOf(key as OptionKey)] = String(value);
	}
	// A test runner's own variables would make the child report to it.
	delete env.NODE_TEST_CONTEXT;
	const child = spawn(process.execPath, [...nodeArgs, cli, 'serve', ...(app === undefined ? [] : [app])], {
		env,
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	const { logs, output } = collect(child);
	const exited = once(child, 'exit').then(([code, signal]) => ({ code: code as number | null, signal: signal as NodeJS.Signals | null }));
	t.after(async () => {
		child.kill('SIGKILL');
		await exited;
	});
	let exit: object | undefined;
	void exited.then((how) => {
		exit = how;
	});
	const listening = await waitFor(
		'the pod to listen',
		() => {
			if (exit) {
				throw new GiveUp(`the pod ended: ${JSON.stringify(exit)}\n${output()}${JSON.stringify(logs, undefined, 1)}`);
			}
			return logs.find(({ ports, msg }) => ports !== undefined && msg.startsWith('listening'));
		},
		START,
	);
	const ports = listening.ports as PodStatus['ports'];
	const adminUrl = `http://127.0.0.1:${ports.admin}`;
	const status = async (): Promise<PodStatus> => (await (await fetch(`${adminUrl}/status`)).json()) as PodStatus;
	const metrics = async (): Promise<string> => (await fetch(`${adminUrl}/metrics`)).text();
	if (waitForReady) {
		await waitFor('every worker to be ready', async () => (await status()).workers.every(({ state }) => state === 'ready'), START);
	}
	return {
		pid: child.pid ?? 0,
		url: `http://127.0.0.1:${ports.public}`,
		adminUrl,
		ports,
		exited,
		logs: () => logs,
		output,
		status,
		metrics,
		metric: async (name, labels = {}) => sumSamples(await metrics(), name, labels),
		kill: (signal = 'SIGTERM') => void child.kill(signal),
	};
}

function collect(child: ChildProcess): { logs: LogLine[]; output: () => string } {
	const logs: LogLine[] = [];
	let other = '';
	for (const stream of [child.stdout, child.stderr]) {
		let rest = '';
		stream?.setEncoding('utf8').on('data', (chunk: string) => {
			const lines = (rest + chunk).split('\n');
			rest = lines.pop() ?? '';
			for (const line of lines) {
				if (line.startsWith('{')) {
					logs.push(JSON.parse(line) as LogLine);
				} else {
					other += `${line}\n`;
				}
			}
		});
	}
	return { logs, output: () => other };
}

/** `name{a="1",b="2"} 3` -> 3, added up over the samples whose labels include `labels`. */
export function sumSamples(text: string, name: string, labels: Record<string, string>): number {
	let sum = 0;
	for (const line of text.split('\n')) {
		const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
		const wanted = Object.entries(labels).every(([label, value]) => match?.[2]?.includes(`${label}="${value}"`));
		if (match?.[1] === name && wanted) {
			sum += Number(match[3]);
		}
	}
	return sum;
}
