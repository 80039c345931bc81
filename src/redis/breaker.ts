/** Circuit breaker: after a failure nothing is tried until a probe succeeds. Owns the probe's timer, not the work. */
import { backoffMs } from '../base/backoff.ts';
import type { Closable } from '../base/lifecycle.ts';

export interface BreakerOptions {
	/** Resolves when the other side answers. */
	readonly probe: () => Promise<void>;
	readonly onChange: (open: boolean) => void;
}

const PROBE_MIN_MS = 100;
const PROBE_MAX_MS = 2000;

export class Breaker implements Closable {
	readonly #options: BreakerOptions;
	#timer: NodeJS.Timeout | undefined;
	#open = false;
	/** Failures since the work last succeeded; a probe that succeeds does not reset it, or a full Redis would be tried too often. */
	#failures = 0;
	#probing = false;
	#closed = false;

	constructor(options: BreakerOptions) {
		this.#options = options;
	}

	get isOpen(): boolean {
		return this.#open;
	}

	onSuccess(): void {
		this.#failures = 0;
	}

	onFailure(): void {
		this.#failures++;
		if (!this.#open) {
			this.#open = true;
			this.#options.onChange(true);
		}
		this.#schedule(backoffMs(this.#failures - 1, { minMs: PROBE_MIN_MS, maxMs: PROBE_MAX_MS }));
	}

	/** The other side has been seen alive: look at once. */
	hint(): void {
		if (this.#open) {
			this.#schedule(0);
		}
	}

	close(): void {
		this.#closed = true;
		clearTimeout(this.#timer);
	}

	#schedule(delayMs: number): void {
		if (this.#closed || this.#probing) {
			return;
		}
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => {
			this.#probing = true;
			this.#options.probe().then(
				() => this.#onProbe(true),
				() => this.#onProbe(false),
			);
		}, delayMs);
		this.#timer.unref();
	}

	#onProbe(alive: boolean): void {
		this.#probing = false;
		if (this.#closed) {
			return;
		}
		if (alive) {
			this.#open = false;
			this.#options.onChange(false);
		} else {
			this.onFailure();
		}
	}
}
