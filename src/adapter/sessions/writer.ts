/** Writes sessions to Redis in batches, one command at a time, until Redis has them. Knows what to write, not why. */
import { sleep } from '../../base/deadline.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { SessionStore, SessionWrite, WriteResult } from './store.ts';

/** What connected clients have to be saved. */
export interface SaveBatch {
	readonly writes: readonly SessionWrite[];
	/** Some of them are saved for the first time. */
	readonly hasNew: boolean;
	/** One result for each write. */
	onSaved(results: readonly WriteResult[]): void;
	onFailed(): void;
}

export interface SessionWriterDeps {
	readonly store: SessionStore;
	readonly metrics: Metrics;
	readonly log: Logger;
	/** Up to `limit` of them, taken from what is waiting; those that were never saved only `withNew`. */
	takeSaves(limit: number, withNew: boolean): SaveBatch;
	hasUrgent(): boolean;
	/** Redis does not take anything now: nobody should wait for it. */
	onUnavailable(): void;
	/** The stream was set back since the epoch was read: nothing was written. */
	onEpoch(): void;
}

const MAX_WRITES = 200;
const MAX_LEAVING = 50_000;
/**
 * One broadcast can be the first message of all clients there are, and nobody waits for their saves: after each full batch of them comes a
 * pause of three times as long as it took, so that they leave room for the others, and all workers together most of Redis.
 */
const PAUSE_RATIO = 3;
const MIN_PAUSE_MS = 10;

export class SessionWriter {
	readonly #deps: SessionWriterDeps;
	/** Last writes about clients that went, by private id: repeated until Redis has them. */
	readonly #leaving = new Map<string, SessionWrite>();
	#epoch: string | undefined;
	#flushing: Promise<void> | undefined;
	#again = false;
	#queued = false;
	#pause: NodeJS.Timeout | undefined;

	constructor(deps: SessionWriterDeps) {
		this.#deps = deps;
	}

	/** The epoch that sessions are saved in; undefined until Redis has been asked. */
	get epoch(): string | undefined {
		return this.#epoch;
	}

	setEpoch(epoch: string): void {
		this.#epoch = epoch;
	}

	/** The last word about a client that went. */
	leave(write: SessionWrite): void {
		this.#leaving.set(write.pid, write);
		if (this.#leaving.size > MAX_LEAVING) {
			// Redis has been away for long: the oldest have the least time left.
			const [oldest] = this.#leaving.keys();
			this.#leaving.delete(oldest ?? '');
		}
		this.queueFlush();
	}

	isLeaving(pid: string): boolean {
		return this.#leaving.has(pid);
	}

	/** It is back: what was to be said about its going is no longer true. */
	forget(pid: string): void {
		this.#leaving.delete(pid);
	}

	clear(): void {
		this.#leaving.clear();
	}

	/** Changes of one turn of the event loop travel together. */
	queueFlush(): void {
		if (this.#queued) {
			return;
		}
		this.#queued = true;
		setImmediate(() => {
			this.#queued = false;
			void this.flush();
		});
	}

	/** Resolves when Redis has what there is now, or has failed to take it; of many that are new the rest follows later. */
	flush(): Promise<void> {
		this.#again = true;
		this.#flushing ??= this.#flushUntilDone();
		return this.#flushing;
	}

	/** Clients of a drained worker come back elsewhere within a second: their sessions must be there. */
	async drain(timeoutMs: number): Promise<void> {
		clearTimeout(this.#pause);
		const deadline = performance.now() + timeoutMs;
		while (this.#leaving.size > 0 && performance.now() < deadline) {
			await this.flush();
			if (this.#leaving.size > 0) {
				await sleep(50);
			}
		}
	}

	/** Who asks while a flush is under way gets another one after it: the first may have passed over what has just changed. */
	async #flushUntilDone(): Promise<void> {
		while (this.#again) {
			this.#again = false;
			try {
				this.#epoch ??= await this.#deps.store.readEpoch();
				while (await this.#flushSome(this.#epoch)) {
					// What changed while the last batch was under way goes with the next.
				}
			} catch (error) {
				this.#deps.metrics.inc('socketfleet_redis_errors_total', { reason: 'save_sessions' }, 1);
				this.#deps.log.debug({ err: messageOf(error) }, 'sessions could not be saved, trying again');
				this.#deps.onUnavailable();
			}
		}
		this.#flushing = undefined;
	}

	/** One command. True when there may be more to do at once. */
	async #flushSome(epoch: string): Promise<boolean> {
		const leaving = takeFirst(this.#leaving.values(), MAX_WRITES);
		const saves = this.#deps.takeSaves(MAX_WRITES - leaving.length, this.#pause === undefined);
		const writes = [...leaving, ...saves.writes];
		if (writes.length === 0) {
			return false;
		}
		const began = performance.now();
		let outcome: Awaited<ReturnType<SessionStore['write']>>;
		try {
			outcome = await this.#deps.store.write(writes, epoch);
		} catch (error) {
			saves.onFailed();
			throw error;
		}
		if (outcome.epoch !== epoch) {
			this.#epoch = outcome.epoch;
			this.#deps.onEpoch();
			return false;
		}
		for (const write of leaving) {
			if (this.#leaving.get(write.pid) === write) {
				this.#leaving.delete(write.pid);
			}
		}
		saves.onSaved(outcome.results.slice(leaving.length));
		if (saves.hasNew && writes.length === MAX_WRITES) {
			this.#pauseNew((performance.now() - began) * PAUSE_RATIO);
		}
		return this.#deps.hasUrgent() || writes.length === MAX_WRITES;
	}

	#pauseNew(ms: number): void {
		this.#pause = setTimeout(
			() => {
				this.#pause = undefined;
				void this.flush();
			},
			Math.max(ms, MIN_PAUSE_MS),
		);
		this.#pause.unref();
	}
}

/** Up to `limit` of them, in their order. */
export function takeFirst<T>(items: Iterable<T>, limit: number): T[] {
	const taken: T[] = [];
	for (const item of items) {
		if (taken.length >= limit) {
			break;
		}
		taken.push(item);
	}
	return taken;
}
