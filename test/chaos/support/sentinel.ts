/** One Redis Sentinel that decides alone. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, type Scope } from '../../support/redis-server.ts';
import { waitFor } from '../../support/wait.ts';

export interface TestSentinel {
	readonly port: number;
	knowsReplica(): boolean;
}

export async function startSentinel(t: Scope, masterPort: number): Promise<TestSentinel> {
	const port = await freePort();
	const dir = mkdtempSync(join(tmpdir(), 'sf-sentinel-'));
	const file = join(dir, 'sentinel.conf');
	const lines = [
		`port ${port}`,
		'bind 127.0.0.1',
		`dir ${dir}`,
		`sentinel monitor mymaster 127.0.0.1 ${masterPort} 1`,
		'sentinel down-after-milliseconds mymaster 2000',
		'sentinel failover-timeout mymaster 10000',
	];
	writeFileSync(file, `${lines.join('\n')}\n`);
	const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
	t.after(async () => {
		const gone = once(child, 'exit');
		child.kill('SIGKILL');
		await gone;
		rmSync(dir, { recursive: true, force: true });
	});
	const ask = (...args: readonly string[]): string =>
		execFileSync('redis-cli', ['-p', String(port), ...args], { stdio: 'pipe' }).toString();
	await waitFor('the Sentinel', () => ask('ping').startsWith('PONG'));
	return { port, knowsReplica: () => ask('sentinel', 'replicas', 'mymaster').includes('slave') };
}
