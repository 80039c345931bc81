/** Counts entries that are not delivered, and tells of them in one go: most of a large fleet's are for rooms that are elsewhere. */
import type { Logger } from '../../base/log.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { StreamOffset } from '../../stream/offset.ts';

export class EntryCounters {
	readonly #metrics: Metrics;
	readonly #log: Logger;
	readonly #dropped = new Map<string, number>();
	#hasWarned = false;

	constructor(metrics: Metrics, log: Logger) {
		this.#metrics = metrics;
		this.#log = log;
	}

	drop(reason: 'duplicate' | 'echo' | 'no_namespace' | 'no_room' | 'failed', count = 1): void {
		this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + count);
	}

	/** The log is told of the first one only: whoever writes nonsense writes much of it. */
	quarantine(id: StreamOffset, reason: string): void {
		this.#metrics.inc('socketfleet_quarantined_entries_total', { reason }, 1);
		if (!this.#hasWarned) {
			this.#hasWarned = true;
			this.#log.warn({ id, reason }, 'an entry of the stream makes no sense and was passed over; more are only counted');
		}
	}

	tell(): void {
		for (const [reason, count] of this.#dropped) {
			this.#metrics.inc('socketfleet_stream_entries_dropped_total', { reason }, count);
		}
		this.#dropped.clear();
	}
}
