/** What is measured runs as JavaScript, as in production: the TypeScript loader would cost memory in each process. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Of this process alone. Inside the repository, so that packages are found, and ignored by git. Not `dist/`: builds replace that. */
const OUTPUT = join(ROOT, '.cache/bench', String(process.pid));

export interface Compiled {
	readonly cli: string;
	readonly app: string;
	readonly server: (name: string) => string;
}

let compiled: Compiled | undefined;

/** Compiles the product and the servers of the benchmarks, once for each process. */
export function compile(): Compiled {
	compiled ??= compileNow();
	return compiled;
}

function compileNow(): Compiled {
	process.once('exit', () => rmSync(OUTPUT, { recursive: true, force: true }));
	const project = join(ROOT, 'test/bench/tsconfig.json');
	const tsc = join(ROOT, 'node_modules/.bin/tsc');
	const { status, signal, stdout } = spawnSync(tsc, ['-p', project, '--outDir', OUTPUT], { cwd: ROOT, encoding: 'utf8' });
	if (status === null) {
		throw new Error(`the compiler was ended by ${signal}`);
	}
	if (status !== 0) {
		// JavaScript is written all the same. `npm run check` is what decides about types.
		console.error(`compiled with errors:\n${stdout}`);
	}
	cpSync(join(ROOT, 'src'), join(OUTPUT, 'src'), { recursive: true, filter: (path) => !path.endsWith('.ts') });
	copyFileSync(join(ROOT, 'package.json'), join(OUTPUT, 'package.json'));
	const server = (name: string): string => join(OUTPUT, `test/bench/servers/${name}.js`);
	return { cli: join(OUTPUT, 'src/cli.js'), app: server('app'), server };
}
