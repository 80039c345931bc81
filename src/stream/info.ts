/** Where a stream begins and ends, from XINFO STREAM. */
import { messageOf } from '../base/errors.ts';
import type { RedisConnection } from '../redis/client.ts';
import { compareOffsets, parseOffset, STREAM_START, type StreamOffset } from './offset.ts';

export interface StreamInfo {
	readonly last: StreamOffset;
	/** Undefined: the stream is empty. */
	readonly first: StreamOffset | undefined;
	readonly length: number;
	/** Entries that were ever added; told by Redis 7 and newer. */
	readonly added: number | undefined;
}

const EMPTY: StreamInfo = { last: STREAM_START, first: undefined, length: 0, added: 0 };

export async function readStreamInfo(connection: RedisConnection, stream: string): Promise<StreamInfo> {
	try {
		return parseStreamInfo(await connection.xinfo('STREAM', stream));
	} catch (error) {
		if (messageOf(error).includes('no such key')) {
			return EMPTY;
		}
		throw error;
	}
}

/** `reply` is a flat list of names and values. */
export function parseStreamInfo(reply: unknown): StreamInfo {
	const found = new Map<unknown, unknown>();
	if (Array.isArray(reply)) {
		for (let i = 0; i + 1 < reply.length; i += 2) {
			found.set(reply[i], reply[i + 1]);
		}
	}
	const firstEntry = found.get('first-entry');
	const added = found.get('entries-added');
	return {
		last: parseOffset(found.get('last-generated-id')) ?? STREAM_START,
		first: Array.isArray(firstEntry) ? parseOffset(firstEntry[0]) : undefined,
		length: Number(found.get('length') ?? 0),
		added: typeof added === 'number' ? added : undefined,
	};
}

/** How many entries have been trimmed; undefined when Redis does not tell. */
export function trimmedCountOf({ added, length }: StreamInfo): number | undefined {
	return added === undefined ? undefined : added - length;
}

/** Is every entry after `offset` still there? When Redis can't tell, the answer is no. */
export function isComplete(info: StreamInfo, offset: StreamOffset): boolean {
	return trimmedCountOf(info) === 0 || compareOffsets(offset, info.first ?? info.last) >= 0;
}

/**
 * The entry at `offset` is not in the stream: can it have been there, and trimmed? `ordinal`: how many entries were ever added up to it,
 * itself included, as far as it is known. Trimming goes from the old end, so that all of them must be gone. When Redis can't tell, yes.
 */
export function canBeTrimmed(info: StreamInfo, offset: StreamOffset, ordinal = 1): boolean {
	const isBeforeFirst = info.first === undefined || compareOffsets(offset, info.first) < 0;
	return isBeforeFirst && (trimmedCountOf(info) ?? ordinal) >= ordinal;
}
