/** Where a benchmark ran: figures without it mean nothing. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PACKAGES = ['socket.io', 'engine.io', '@socket.io/redis-streams-adapter', '@socket.io/sticky', 'ioredis', 'ws'] as const;
const GIB = 1024 ** 3;

export interface Environment {
	/** Of the sources that were measured; `+` at the end: with changes that are not in it. */
	readonly commit: string;
	readonly node: string;
	readonly redis: string;
	readonly packages: Readonly<Record<string, string>>;
	readonly cores: number;
	readonly cpu: string;
	readonly memoryGiB: number;
	readonly kernel: string;
	/** Average over the minute before the start, of the whole machine. */
	readonly loadBefore: number;
}

export function readEnvironment(): Environment {
	return {
		commit: readCommit(),
		node: process.version,
		redis: /v=([\d.]+)/.exec(run('redis-server', ['--version']))?.[1] ?? 'none',
		packages: Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])),
		cores: availableParallelism(),
		cpu: cpus()[0]?.model ?? 'unknown',
		memoryGiB: Math.round(totalmem() / GIB),
		kernel: release(),
		loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
	};
}

function readCommit(): string {
	const commit = run('git', ['rev-parse', '--short=12', 'HEAD']);
	const changed = run('git', ['status', '--porcelain', '--untracked-files=no', '--', 'src', 'package-lock.json']);
	return `${commit}${changed === '' ? '' : '+'}`;
}

function versionOf(name: string): string {
	return (JSON.parse(readFileSync(`${ROOT}/node_modules/${name}/package.json`, 'utf8')) as { version: string }).version;
}

/** Standard output; empty when the program is not there. */
function run(program: string, args: readonly string[]): string {
	return (spawnSync(program, args, { cwd: ROOT, encoding: 'utf8' }).stdout ?? '').trim();
}
