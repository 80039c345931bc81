/** Reads messages that someone missed: by the index, which costs what concerns them, or from the log, which costs what there is. */
import type { RedisConnection } from '../redis/client.ts';
import { createScript, publishCommandOf } from '../redis/script.ts';
import { idOf, type ParsedEntry, parseEntries, type StreamEntry } from './entry.ts';
import { isComplete, readStreamInfo } from './info.ts';
import { LOG_PAGE_SCRIPT, MISSED_SCRIPT } from './missed-script.ts';
import { compareOffsets, parseOffset, type StreamOffset, timeOfOffset } from './offset.ts';
import { readRange } from './reader.ts';
import { indexOf } from './route.ts';

/** A room of a namespace; undefined: the namespace as a whole. */
export interface Place {
	readonly nsp: string;
	readonly room: string | undefined;
}

export interface MissedRange {
	readonly places: readonly Place[];
	readonly from: StreamOffset;
	/** Included; undefined: to the end of the log. */
	readonly to: StreamOffset | undefined;
}

/** Published in the same step as the read. */
export interface Fence {
	readonly channel: string;
	readonly text: string;
}

const SCRIPT = createScript(MISSED_SCRIPT);
const LOG_SCRIPT = createScript(LOG_PAGE_SCRIPT);
/** References read from one index at a time: Redis does nothing else meanwhile. */
const PAGE = 1000;
const NO_FENCE: Fence = { channel: '', text: '' };

/** The entries for those places after `from`, in order, and Redis' time. The last page has the fence behind it, if there is one. */
export async function readByIndex(
	connection: RedisConnection,
	stream: string,
	{ places, from, to }: MissedRange,
	fence: Fence = NO_FENCE,
): Promise<{ readonly entries: readonly ParsedEntry[]; readonly nowMs: number }> {
	const { keys, args } = placesOf(stream, places);
	const entries: ParsedEntry[] = [];
	let after: StreamOffset | undefined = from;
	let nowMs = 0;
	while (after !== undefined) {
		const fixed = [after, to ?? '+', PAGE, fence.channel, fence.text, publishCommandOf(connection)];
		const [upTo, now, ...raws] = (await SCRIPT.run(connection, [stream, ...keys], [...fixed, ...args])) as unknown[];
		for (const entry of parseEntries(raws)) {
			entries.push(entry);
		}
		nowMs = Number(now);
		after = parseOffset(upTo);
	}
	return { entries: entries.sort((a, b) => compareOffsets(idOf(a), idOf(b))), nowMs };
}

export interface LogPage {
	readonly entries: readonly ParsedEntry[];
	/** The last of them, or where the page begins. */
	readonly last: StreamOffset;
	/** There may be more behind it. */
	readonly isFull: boolean;
}

/** What follows `from` on the log, with the fence behind it if there is one. */
export async function readLogPage(
	connection: RedisConnection,
	stream: string,
	from: StreamOffset,
	fence: Fence = NO_FENCE,
): Promise<LogPage> {
	const raws = (await LOG_SCRIPT.run(
		connection,
		[stream],
		[from, PAGE, fence.channel, fence.text, publishCommandOf(connection)],
	)) as unknown[];
	const entries = parseEntries(raws);
	const last = entries.at(-1);
	return { entries, last: last ? idOf(last) : from, isFull: raws.length === PAGE };
}

/**
 * What a client missed. `trimmed`: some of it may be gone, from the log or, as it is older than `retentionMs`, from the index.
 * Rejects when Redis fails.
 */
export async function readMissedByIndex(
	connection: RedisConnection,
	stream: string,
	range: MissedRange & { readonly retentionMs: number },
): Promise<readonly StreamEntry[] | 'trimmed'> {
	const { entries, nowMs } = await readByIndex(connection, stream, range);
	// Asked after the read: what was trimmed before it shows.
	const info = await readStreamInfo(connection, stream);
	const isTooOld = nowMs - timeOfOffset(range.from) > range.retentionMs;
	return isTooOld || !isComplete(info, range.from) ? 'trimmed' : entries.flatMap(entryOf);
}

/** The same from the log, for as long as someone writes there who does not write the index. */
export async function readMissedByLog(
	connection: RedisConnection,
	stream: string,
	{ places, from, to }: MissedRange & { readonly to: StreamOffset },
): Promise<readonly StreamEntry[] | 'trimmed'> {
	const wanted = new Set(places.map(({ nsp, room }) => `${nsp}\0${room ?? ''}`));
	const isWanted = ({ nsp, rooms }: StreamEntry): boolean => rooms === undefined || rooms.some((room) => wanted.has(`${nsp}\0${room}`));
	const found: StreamEntry[] = [];
	let after = from;
	while (compareOffsets(after, to) < 0) {
		const page = await readRange(connection, stream, { from: after, to, maxEntries: PAGE });
		if (!page.complete) {
			return 'trimmed';
		}
		const entries = parseEntries(page.entries);
		found.push(...entries.flatMap(entryOf).filter(isWanted));
		const last = entries.at(-1);
		after = page.cut && last ? idOf(last) : to;
	}
	return found;
}

function entryOf(parsed: ParsedEntry): readonly StreamEntry[] {
	return parsed.kind === 'entry' ? [parsed.entry] : [];
}

function placesOf(
	stream: string,
	places: readonly Place[],
): { readonly keys: readonly string[]; readonly args: readonly (string | number)[] } {
	const byIndex = new Map<string, Place[]>();
	for (const place of places) {
		const index = indexOf(stream, place.nsp, place.room);
		byIndex.set(index, [...(byIndex.get(index) ?? []), place]);
	}
	const args = [...byIndex.values()].flatMap((found) => [found.length, ...found.flatMap(({ nsp, room }) => [nsp, room ?? ''])]);
	return { keys: [...byIndex.keys()], args };
}
