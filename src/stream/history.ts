/** Whether the log is still the one that a worker has read up to a cursor. */
import type { RedisConnection } from '../redis/client.ts';
import { canBeTrimmed, isComplete, readStreamInfo } from './info.ts';
import { compareOffsets, STREAM_START, type StreamOffset } from './offset.ts';

/** `rewound`: the log was set back. `trimmed`: entries after the cursor are gone. Both: where to go on. */
export type History = { readonly kind: 'continues' } | { readonly kind: 'rewound' | 'trimmed'; readonly cursor: StreamOffset };

/**
 * Behind a new connection may be another server: one that came back empty, or a replica that lagged. Whoever writes to it at once takes its
 * last id past the cursor, but the entry at the cursor is not there.
 */
export async function readHistory(connection: RedisConnection, stream: string, cursor: StreamOffset): Promise<History> {
	const isThere = cursor === STREAM_START || (await connection.xrange(stream, cursor, cursor)).length > 0;
	// In this order: what was trimmed before the look at the entry is in these numbers.
	const info = await readStreamInfo(connection, stream);
	if (compareOffsets(info.last, cursor) < 0 || !(isThere || canBeTrimmed(info, cursor))) {
		return { kind: 'rewound', cursor: info.last };
	}
	return isComplete(info, cursor) ? { kind: 'continues' } : { kind: 'trimmed', cursor: info.last };
}
