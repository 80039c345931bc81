/** What one read of the stream brought, cut so that a worker which none of it concerns can pass over it without parsing it. Pure. */

import { type ParsedEntry, parseEntry, type StreamEntry } from '../../stream/entry.ts';
import type { StreamOffset } from '../../stream/offset.ts';
import type { RawEntry } from '../../stream/reader.ts';

/** Entries of one publisher, each of them numbered one higher than the one before. */
export interface SequenceRun {
	readonly publisher: string;
	readonly first: number;
	readonly last: number;
}

/** Entries that follow `after` without a hole. */
export interface StreamBatch {
	readonly after: StreamOffset;
	/** The last entry; `after` when there is none. */
	readonly last: StreamOffset;
	readonly count: number;
	/** What it takes in memory, roughly. */
	readonly bytes: number;
	/** All numbered entries in it. Undefined: some are repeated, missing or malformed, and each must be looked at. */
	readonly runs: readonly SequenceRun[] | undefined;
	/** The interest (`Interest.token`) of the worker that gets it under which none of it concerns that worker. */
	readonly quietFor: string | undefined;
	parse(): readonly ParsedEntry[];
}

/** What an entry costs beside its data, roughly. */
const ENTRY_OVERHEAD = 400;

/** Those without an id are left out: they can't be told from others. */
export function parseAll(entries: readonly RawEntry[]): readonly ParsedEntry[] {
	return entries.map(parseEntry).filter((parsed) => parsed !== undefined);
}

export function idOf(parsed: ParsedEntry): StreamOffset {
	return parsed.kind === 'entry' ? parsed.entry.id : parsed.id;
}

/** Whether any of them must be looked at by whom `isFor` tells: what is malformed is everyone's. */
export function concernsAny(parsed: readonly ParsedEntry[], isFor: (entry: StreamEntry) => boolean): boolean {
	return parsed.some((one) => one.kind === 'malformed' || isFor(one.entry));
}

export function buildBatch(after: StreamOffset, parsed: readonly ParsedEntry[], quietFor?: string): StreamBatch {
	const last = parsed.at(-1);
	return {
		after,
		last: last === undefined ? after : idOf(last),
		count: parsed.length,
		bytes: parsed.reduce((sum, one) => sum + (one.kind === 'entry' ? sizeOfEntry(one.entry) : ENTRY_OVERHEAD), 0),
		runs: findRuns(parsed),
		quietFor,
		parse: () => parsed,
	};
}

export function sizeOfEntry(entry: StreamEntry): number {
	return entry.data.length + ENTRY_OVERHEAD;
}

function findRuns(parsed: readonly ParsedEntry[]): readonly SequenceRun[] | undefined {
	const runs = new Map<string, { publisher: string; first: number; last: number }>();
	for (const one of parsed) {
		if (one.kind === 'malformed') {
			return undefined;
		}
		const { mark } = one.entry;
		if (mark === undefined) {
			continue;
		}
		const run = runs.get(mark.publisher);
		if (run === undefined) {
			runs.set(mark.publisher, { publisher: mark.publisher, first: mark.sequence, last: mark.sequence });
		} else if (mark.sequence === run.last + 1) {
			run.last = mark.sequence;
		} else {
			return undefined;
		}
	}
	return [...runs.values()];
}
