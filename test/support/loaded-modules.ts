/** What Node loads for a module: the address of every file. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const PROGRAM = fileURLToPath(new URL('../fixtures/loaded-modules.ts', import.meta.url));

/** `path` counts from the root of the repository. */
export async function findLoadedModules(path: string): Promise<readonly string[]> {
	const { href } = new URL(`../../${path}`, import.meta.url);
	const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, href]);
	return JSON.parse(stdout) as string[];
}
