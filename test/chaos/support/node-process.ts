/** Starts servers in processes of their own, so that they can be killed, frozen, or freeze by themselves. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withDeadline } from '../../../src/base/deadline.ts';
import type { Scope } from '../../support/redis-server.ts';
import { waitFor } from '../../support/wait.ts';
import type { NodeSpec, Order, Reply } from './protocol.ts';

const CHILD = fileURLToPath(new URL('node-child.ts', import.meta.url));
const REPLY_TIMEOUT_MS = 20_000;

export interface NodeProcess {
	readonly url: string;
	readonly pid: number;
	/** Rejects when it does not answer: it is dead, frozen, or its event loop is stuck. */
	order<T = unknown>(what: Order['what'], rest?: Omit<Order, 'id' | 'what'>, timeoutMs?: number): Promise<T>;
	kill(signal: NodeJS.Signals): void;
	/** Undefined while it runs. */
	exit(): { readonly code: number | null; readonly signal: string | null } | undefined;
	readonly gone: Promise<unknown>;
}

export function makeRunDir(t: Scope): string {
	const dir = mkdtempSync(join(tmpdir(), 'sf-'));
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	return dir;
}

export async function startNode(t: Scope, spec: Omit<NodeSpec, 'runDir'> & { readonly runDir?: string }): Promise<NodeProcess> {
	const runDir = spec.runDir ?? makeRunDir(t);
	const env = { ...process.env, ...spec.env };
	const child = fork(CHILD, [JSON.stringify({ ...spec, runDir })], {
		stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
		serialization: 'advanced',
		env,
	});
	const output: string[] = [];
	child.stdout?.on('data', (chunk) => output.push(String(chunk)));
	child.stderr?.on('data', (chunk) => output.push(String(chunk)));
	let exit: { code: number | null; signal: string | null } | undefined;
	const gone = once(child, 'exit').then(([code, signal]) => {
		exit = { code: code as number | null, signal: signal as string | null };
	});
	t.after(async () => {
		child.kill('SIGCONT');
		child.kill('SIGKILL');
		await gone;
	});
	let url = '';
	child.once('message', (message: { url: string }) => {
		url = message.url;
	});
	await waitFor(
		'the server to listen',
		() => {
			if (exit) {
				throw new Error(`it ended: ${JSON.stringify(exit)} ${output.join('')}`);
			}
			return url !== '';
		},
		{ timeoutMs: spec.listenTimeoutMs ?? 60_000 },
	);
	return { url, pid: child.pid ?? 0, gone, exit: () => exit, order: orderTo(child), kill: (signal) => void child.kill(signal) };
}

function orderTo(child: ChildProcess): NodeProcess['order'] {
	let orders = 0;
	return async <T>(what: Order['what'], rest: Omit<Order, 'id' | 'what'> = {}, timeoutMs = REPLY_TIMEOUT_MS): Promise<T> => {
		const id = ++orders;
		const reply = new Promise<Reply>((resolve) => {
			const onMessage = (message: Reply): void => {
				if (message.id === id) {
					child.off('message', onMessage);
					resolve(message);
				}
			};
			child.on('message', onMessage);
		});
		child.send({ ...rest, id, what } satisfies Order);
		const { value, error } = await withDeadline(reply, timeoutMs, `order ${what}`);
		if (error !== undefined) {
			throw new Error(error);
		}
		return value as T;
	};
}
