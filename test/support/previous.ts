/** The version before, as `test/previous` names it: its sources, taken from the history of this repository. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../src/base/errors.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NAMED_IN = 'test/previous';
/** Inside the repository: what it imports is found in the node_modules above it, its dependencies being ours. */
const CHECKOUTS = join(ROOT, '.cache/previous');
const NEEDED = ['package.json', 'src'];

/** Path of its entry point, for `startPod`. Throws when the history does not go back that far. */
export function checkOutPrevious(): string {
	const commit = readCommit();
	const checkout = join(CHECKOUTS, commit);
	if (!existsSync(checkout)) {
		extract(commit, checkout);
	}
	return join(checkout, 'src/cli.ts');
}

function readCommit(): string {
	const lines = readFileSync(join(ROOT, NAMED_IN), 'utf8').split('\n');
	const commit = lines.find((line) => /^[0-9a-f]{40}$/.test(line));
	if (commit === undefined) {
		throw new Error(`${NAMED_IN} names no commit`);
	}
	return commit;
}

/** In its place at once and whole, whoever else does the same. */
function extract(commit: string, checkout: string): void {
	mkdirSync(CHECKOUTS, { recursive: true });
	const unfinished = mkdtempSync(join(CHECKOUTS, 'unfinished-'));
	try {
		const archive = join(unfinished, 'previous.tar');
		git(commit, 'archive', `--output=${archive}`, commit, ...NEEDED);
		execFileSync('tar', ['--extract', '--file', archive, '--directory', unfinished]);
		rmSync(archive);
		renameSync(unfinished, checkout);
	} catch (error) {
		rmSync(unfinished, { recursive: true, force: true });
		if (!existsSync(checkout)) {
			throw error;
		}
	}
}

function git(commit: string, ...args: readonly string[]): void {
	try {
		execFileSync('git', args, { cwd: ROOT, stdio: 'pipe' });
	} catch (error) {
		const why = `the version before (${commit}, see ${NAMED_IN}) is not in the history that is here: ${messageOf(error)}`;
		throw new Error(`${why}\nIn a shallow clone: git fetch --unshallow`, { cause: error });
	}
}
