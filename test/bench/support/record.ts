/** What a benchmark leaves behind, as it is printed and kept in docs/benchmarks.json. */
import type { Target } from '../catalog.ts';
import type { Environment } from './environment.ts';

/** One subject's figures in one repetition. */
export interface Row {
	readonly subject: string;
	readonly values: Readonly<Record<string, number>>;
}

export interface BenchRecord {
	readonly program: string;
	/** `quick` is smaller, for trying the program out. */
	readonly mode: 'full' | 'quick';
	readonly startedAt: string;
	readonly seconds: number;
	readonly environment: Environment;
	readonly repetitions: readonly (readonly Row[])[];
}

/** docs/benchmarks.json: the last record of each program. */
export type BenchResults = Readonly<Record<string, BenchRecord>>;

/** The values of one cell, one for each repetition that has it. */
export function cellOf(record: BenchRecord, subject: string, column: string): number[] {
	return record.repetitions.flatMap((rows) => rows.find((row) => row.subject === subject)?.values[column] ?? []);
}

/** Was it reached in every repetition? Undefined: nothing was measured. */
export function isReached(record: BenchRecord, { subject, column, is, value }: Target): boolean | undefined {
	const seen = cellOf(record, subject, column);
	if (seen.length === 0) {
		return undefined;
	}
	return seen.every((each) => (is === 'at most' ? each <= value : each >= value));
}

/** A full record is only replaced by a full one. */
export function mergeRecord(results: BenchResults, record: BenchRecord): BenchResults {
	const old = results[record.program];
	return old?.mode === 'full' && record.mode === 'quick' ? results : { ...results, [record.program]: record };
}
