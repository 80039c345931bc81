/** Keys that wait for work. A key is worked on by one worker at a time, however often it is added; failures are tried again with back-off. */
import { backoffMs } from '../base/backoff.ts';

export interface WorkQueueOptions {
	/** Delays after failures of one key. */
	readonly backoff: { readonly minMs: number; readonly maxMs: number };
	readonly concurrency: number;
}

/** What became of a key. */
export type WorkResult =
	| { readonly kind: 'done' }
	| { readonly kind: 'requeue'; readonly afterMs: number }
	| { readonly kind: 'failed'; readonly error: unknown };

export class WorkQueue<K extends string> {
	readonly #options: WorkQueueOptions;
	readonly #work: (key: K) => Promise<WorkResult>;
	/** In the order in which they came. */
	readonly #waiting = new Set<K>();
	readonly #active = new Set<K>();
	/** Added while they were worked on: again, once that is over. */
	readonly #again = new Set<K>();
	readonly #timers = new Map<K, { readonly timer: NodeJS.Timeout; readonly dueAt: number }>();
	readonly #failures = new Map<K, number>();
	#running = false;
	#idle: PromiseWithResolvers<void> | undefined;

	/** `work` must not throw: what it would throw is a `failed` result. */
	constructor(options: WorkQueueOptions, work: (key: K) => Promise<WorkResult>) {
		this.#options = options;
		this.#work = work;
	}

	get depth(): number {
		return this.#waiting.size;
	}

	/** Begins to work. Keys that were added before are kept. */
	start(): void {
		this.#running = true;
		this.#pump();
	}

	/** Takes up nothing new; resolves when what is in work is over. Keys and timers are forgotten. */
	async stop(): Promise<void> {
		this.#running = false;
		for (const { timer } of this.#timers.values()) {
			clearTimeout(timer);
		}
		this.#timers.clear();
		this.#waiting.clear();
		this.#again.clear();
		if (this.#active.size > 0) {
			this.#idle ??= Promise.withResolvers<void>();
			await this.#idle.promise;
		}
	}

	add(key: K): void {
		this.#cancelTimer(key);
		if (this.#active.has(key)) {
			this.#again.add(key);
			return;
		}
		this.#waiting.add(key);
		this.#pump();
	}

	/** Of several due times the earliest counts. */
	addAfter(key: K, delayMs: number): void {
		const dueAt = Date.now() + delayMs;
		const known = this.#timers.get(key);
		if (known && known.dueAt <= dueAt) {
			return;
		}
		this.#cancelTimer(key);
		this.#timers.set(key, { dueAt, timer: setTimeout(() => this.add(key), delayMs) });
	}

	#cancelTimer(key: K): void {
		clearTimeout(this.#timers.get(key)?.timer);
		this.#timers.delete(key);
	}

	#pump(): void {
		while (this.#running && this.#active.size < this.#options.concurrency) {
			const [key] = this.#waiting;
			if (key === undefined) {
				return;
			}
			this.#waiting.delete(key);
			this.#active.add(key);
			void this.#runOne(key);
		}
	}

	async #runOne(key: K): Promise<void> {
		const result = await this.#work(key);
		this.#active.delete(key);
		if (!this.#running) {
			if (this.#active.size === 0) {
				this.#idle?.resolve();
				this.#idle = undefined;
			}
			return;
		}
		this.#schedule(key, result);
		this.#pump();
	}

	#schedule(key: K, result: WorkResult): void {
		if (result.kind === 'failed') {
			const failures = this.#failures.get(key) ?? 0;
			this.#failures.set(key, failures + 1);
			// What changed meanwhile was perhaps our own half-done work: it waits too, or a broken fleet would starve the others.
			this.#again.delete(key);
			this.addAfter(key, backoffMs(failures, this.#options.backoff));
			return;
		}
		this.#failures.delete(key);
		if (this.#again.delete(key)) {
			this.#waiting.add(key);
		} else if (result.kind === 'requeue') {
			this.addAfter(key, result.afterMs);
		}
	}
}
