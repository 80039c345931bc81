/** Where a stream begins and ends, from XINFO STREAM. */
import { messageOf } from '../base/errors.ts';
import type { RedisConnection } from './client.ts';
import { compareOffsets, parseOffset, STREAM_START, type StreamOffset } from './stream-offset.ts';

export interface StreamInfo {
	readonly last: StreamOffset;
	/** Every entry after this one is still there. */
	readonly completeAfter: StreamOffset;
	/** Undefined: the stream is empty. */
	readonly first: StreamOffset | undefined;
	readonly length: number;
}

const EMPTY: StreamInfo = { last: STREAM_START, completeAfter: STREAM_START, first: undefined, length: 0 };

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
	const first = Array.isArray(firstEntry) ? parseOffset(firstEntry[0]) : undefined;
	const last = parseOffset(found.get('last-generated-id')) ?? STREAM_START;
	const length = Number(found.get('length') ?? 0);
	// Redis 7 tells the newest id that was trimmed. Before that all that is known is that nothing is missing from the first entry on.
	const deleted = parseOffset(found.get('max-deleted-entry-id'));
	return { last, first, length, completeAfter: deleted ?? (first === undefined ? last : justBefore(first)) };
}

/** The greatest id below `offset` that matters: ids of one millisecond count from 0. */
function justBefore(offset: StreamOffset): StreamOffset {
	const dash = offset.indexOf('-');
	const sequence = Number(offset.slice(dash + 1));
	const ms = Number(offset.slice(0, dash));
	return (sequence > 0 ? `${ms}-${sequence - 1}` : `${Math.max(0, ms - 1)}-${Number.MAX_SAFE_INTEGER}`) as StreamOffset;
}

export function isComplete(info: StreamInfo, after: StreamOffset): boolean {
	return compareOffsets(after, info.completeAfter) >= 0;
}
