/** The pure delay sequence of every retry loop. */

export interface BackoffOptions {
	readonly minMs: number;
	readonly maxMs: number;
	/** 0..1: how much of the delay is random. Default 0.5. */
	readonly jitter?: number;
	/** Uniform in [0, 1); injected by tests. */
	readonly random?: () => number;
}

/** Delay before retry number `attempt` (0 is the first): doubles from `minMs` to `maxMs`, the last `jitter` share of it random. */
export function backoffMs(attempt: number, options: BackoffOptions): number {
	const { minMs, maxMs, jitter = 0.5, random = Math.random } = options;
	const full = Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30));
	return Math.round(full * (1 - jitter * random()));
}
