/** Runs a command line to its end: what was thrown becomes a sentence for people and an exit code. */
import { CommanderError } from 'commander';
import { AppError, ERROR_TABLE, messageOf } from './base/errors.ts';

export async function runProgram(name: string, main: () => Promise<void>): Promise<void> {
	try {
		await main();
	} catch (error) {
		process.exitCode = report(name, error);
	}
}

function report(name: string, error: unknown): number {
	if (error instanceof CommanderError) {
		return error.exitCode === 0 ? 0 : ERROR_TABLE.ERR_USAGE.exitCode; // commander has said it
	}
	process.stderr.write(`${name}: ${messageOf(error)}\n`);
	return error instanceof AppError ? error.exitCode : ERROR_TABLE.ERR_UNEXPECTED.exitCode;
}
