/** One Redis Sentinel that decides alone, and the pair of servers that it watches. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, type Scope, startRedis, type TestRedis } from '../../support/redis-server.ts';
import { waitFor } from '../../support/wait.ts';

export interface TestSentinel {
	readonly port: number;
	knowsReplica(): boolean;
}

export const SENTINEL_NAME = 'mymaster';
const WAIT = { timeoutMs: 90_000, everyMs: 100 };

export async function startSentinel(t: Scope, masterPort: number): Promise<TestSentinel> {
	const port = await freePort();
	const dir = mkdtempSync(join(tmpdir(), 'sf-sentinel-'));
	const file = join(dir, 'sentinel.conf');
	const lines = [
		`port ${port}`,
		'bind 127.0.0.1',
		`dir ${dir}`,
		`sentinel monitor ${SENTINEL_NAME} 127.0.0.1 ${masterPort} 1`,
		`sentinel down-after-milliseconds ${SENTINEL_NAME} 2000`,
		`sentinel failover-timeout ${SENTINEL_NAME} 10000`,
	];
	writeFileSync(file, `${lines.join('\n')}\n`);
	const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
	t.after(async () => {
		const gone = once(child, 'exit');
		child.kill('SIGKILL');
		await gone;
		rmSync(dir, { recursive: true, force: true });
	});
	await waitFor('the Sentinel', () => ask(port, 'ping').startsWith('PONG'));
	return { port, knowsReplica: () => /\bslave\b/.test(ask(port, 'sentinel', 'replicas', SENTINEL_NAME)) };
}

export interface TestPair {
	readonly sentinel: TestSentinel;
	master(): TestRedis;
	/** The replica is cut off from the master, and told nothing more. */
	cutOffReplica(): void;
	/** Kills the master, waits until the replica has taken its place, and starts the old master again as its replica. */
	failOver(): Promise<void>;
}

export async function startPair(t: Scope): Promise<TestPair> {
	let master = await startRedis(t);
	let replica = await startRedis(t, { args: ['--replicaof', `127.0.0.1 ${master.port}`] });
	const sentinel = await startSentinel(t, master.port);
	const replicaIsThere = async (): Promise<void> => {
		await waitFor('the Sentinel to know the replica', () => sentinel.knowsReplica(), WAIT);
		await waitFor('the replica to be in step', () => ask(master.port, 'info', 'replication').includes('state=online'), WAIT);
	};
	await replicaIsThere();
	return {
		sentinel,
		master: () => master,
		cutOffReplica: () => {
			// It tries again each second, with a password that the master refuses.
			ask(replica.port, 'config', 'set', 'masteruser', 'nobody', 'masterauth', 'wrong');
			ask(replica.port, 'client', 'kill', 'type', 'master');
		},
		failOver: async () => {
			await master.stop();
			await waitFor('the replica to be master', () => ask(replica.port, 'role').startsWith('master'), WAIT);
			ask(replica.port, 'config', 'set', 'masteruser', '', 'masterauth', '');
			[master, replica] = [replica, master];
			await replica.start();
			ask(replica.port, 'replicaof', '127.0.0.1', String(master.port));
			await replicaIsThere();
		},
	};
}

export function ask(port: number, ...args: readonly string[]): string {
	return execFileSync('redis-cli', ['-p', String(port), ...args], { stdio: 'pipe' }).toString();
}
