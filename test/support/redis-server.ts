/** A real redis-server for one test, on a free port, stopped with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from './wait.ts';

/** A TestContext, or anything that runs a function when it is over. */
export interface Scope {
	after(cleanup: () => void | Promise<void>): void;
}

export interface RedisOptions {
	readonly args?: readonly string[];
	readonly dir?: string;
	readonly port?: number;
}

export interface TestRedis {
	readonly port: number;
	readonly url: string;
	readonly dir: string;
	readonly pid: number | undefined;
	signal(name: NodeJS.Signals): void;
	/** Ends it; `SIGKILL` by default, as a crash would. */
	stop(signal?: NodeJS.Signals): Promise<void>;
	/** Starts it again on the same port and folder; with an append-only file its data is back. */
	start(): Promise<void>;
	restart(signal?: NodeJS.Signals): Promise<void>;
}

export async function startRedis(t: Scope, options: RedisOptions = {}): Promise<TestRedis> {
	const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'socketfleet-redis-'));
	const port = options.port ?? (await freePort());
	let child: ChildProcess | undefined;

	const start = async (): Promise<void> => {
		const args = [
			'--port',
			String(port),
			'--bind',
			'127.0.0.1',
			'--save',
			'',
			'--dir',
			dir,
			'--loglevel',
			'warning',
			...(options.args ?? []),
		];
		child = spawn('redis-server', args, { stdio: 'ignore' });
		let failure: Error | undefined;
		child.once('error', (error) => {
			failure = error;
		});
		await waitFor(`redis-server on port ${port}`, async () => {
			if (failure) {
				throw failure;
			}
			return (await ping(port)) === '+PONG' || (await ping(port)).startsWith('-NOAUTH');
		});
	};
	const stop = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
		const running = child;
		child = undefined;
		if (running && running.exitCode === null && running.signalCode === null) {
			const gone = once(running, 'exit');
			running.kill('SIGCONT');
			running.kill(signal);
			await gone;
		}
	};
	t.after(async () => {
		await stop();
		if (options.dir === undefined) {
			rmSync(dir, { recursive: true, force: true });
		}
	});
	await start();
	return {
		port,
		url: `redis://127.0.0.1:${port}`,
		dir,
		get pid() {
			return child?.pid;
		},
		signal: (name) => void child?.kill(name),
		stop,
		start,
		restart: async (signal) => {
			await stop(signal);
			await start();
		},
	};
}

export async function freePort(): Promise<number> {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const address = server.address();
	server.close();
	await once(server, 'close');
	if (address === null || typeof address === 'string') {
		throw new Error('no port');
	}
	return address.port;
}

function ping(port: number): Promise<string> {
	return new Promise((resolve, reject) => {
		const socket = connect(port, '127.0.0.1');
		socket.setTimeout(1000, () => socket.destroy(new Error('no answer')));
		socket.once('error', reject);
		socket.once('data', (data) => {
			resolve(data.toString().trim());
			socket.destroy();
		});
		socket.write('PING\r\n');
	});
}
