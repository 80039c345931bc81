/**
 * Builds the image. `node scripts/image.ts [tag]`, without a tag the version of package.json; says what it adds to its base.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const REPOSITORY = 'ghcr.io/socketfleet/socketfleet';
const BASE = 'node:24-trixie-slim';
const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { version: string };
const image = `${REPOSITORY}:${process.argv[2] ?? version}`;

function run(program: string, args: readonly string[], stdio: 'inherit' | 'pipe'): string {
	const { status, stdout, error } = spawnSync(program, args, {
		cwd: root,
		encoding: 'utf8',
		stdio: ['ignore', stdio, 'inherit'],
		// The Dockerfile's cache mount needs BuildKit, whatever the shell says.
		env: { ...process.env, DOCKER_BUILDKIT: '1' },
	});
	if (status !== 0) {
		console.error(`${program} ${args[0]} failed${error ? `: ${error.message}` : ''}`);
		process.exit(1);
	}
	return stdout ?? '';
}

function sizeOf(name: string): number {
	return Number(run('docker', ['image', 'inspect', '--format', '{{.Size}}', name], 'pipe'));
}

const revision = run('git', ['rev-parse', 'HEAD'], 'pipe').trim();
run('docker', ['build', '--tag', image, '--build-arg', `VERSION=${version}`, '--build-arg', `REVISION=${revision}`, '.'], 'inherit');
const addedMb = (sizeOf(image) - sizeOf(BASE)) / 1_000_000;
console.log(`${image}: ${addedMb.toFixed(1)} MB more than ${BASE}`);
