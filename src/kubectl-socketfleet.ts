#!/usr/bin/env node
/** The plugin of kubectl: a program of this name in the PATH is what `kubectl socketfleet` runs. */
import { createKubectlProgram } from './kubectl/program.ts';
import { runProgram } from './run-program.ts';

await runProgram('kubectl socketfleet', async () => {
	await createKubectlProgram().parseAsync([...process.argv]);
});
