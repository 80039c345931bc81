/** src -> dist: JavaScript, declarations and source maps. */
import { spawnSync } from 'node:child_process';
import { chmodSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}/dist`, { recursive: true, force: true });
const { status } = spawnSync(`${root}/node_modules/.bin/tsc`, ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (status !== 0) {
	process.exit(status ?? 1);
}
for (const program of ['cli', 'kubectl-socketfleet']) {
	chmodSync(`${root}/dist/${program}.js`, 0o755);
}
