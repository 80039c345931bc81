/** Work that must succeed in the end: tried until it does, with longer and longer pauses, or until it is no longer wanted. */
import { backoffMs } from '../base/backoff.ts';
import { sleep } from '../base/deadline.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Metrics } from '../metrics/registry.ts';

export interface PersevereOptions {
	readonly signal: AbortSignal;
	readonly metrics: Metrics;
	readonly log: Logger;
	/** Label of the error counter. */
	readonly reason: string;
}

const MIN_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1000;

/** Undefined when `signal` has aborted. */
export async function persevere<T>(work: () => Promise<T>, { signal, metrics, log, reason }: PersevereOptions): Promise<T | undefined> {
	for (let attempt = 0; !signal.aborted; attempt++) {
		try {
			return await work();
		} catch (error) {
			metrics.inc('socketfleet_redis_errors_total', { reason }, 1);
			log.debug({ err: messageOf(error), reason, attempt }, 'Redis did not do it, trying again');
			await sleep(backoffMs(attempt, { minMs: MIN_PAUSE_MS, maxMs: MAX_PAUSE_MS }), signal);
		}
	}
	return undefined;
}
