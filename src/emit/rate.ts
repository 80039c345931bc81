/** Token buckets: how many messages a bearer token may still send. Pure; the clock is the caller's. */

export type Taken =
	| { readonly kind: 'taken'; readonly remaining: number }
	/** Nothing was taken. */
	| { readonly kind: 'wait'; readonly afterMs: number; readonly remaining: number }
	/** More than the bucket ever holds. */
	| { readonly kind: 'never'; readonly capacity: number };

interface Bucket {
	level: number;
	at: number;
}

/** One bucket for each name; it holds one second's worth. */
export class RateLimiter {
	readonly #buckets = new Map<string, Bucket>();

	/** `now` in ms, not going back. */
	take(name: string, count: number, ratePerSecond: number, now: number): Taken {
		if (count > ratePerSecond) {
			return { kind: 'never', capacity: ratePerSecond };
		}
		const bucket = this.#buckets.get(name) ?? { level: ratePerSecond, at: now };
		const level = Math.min(ratePerSecond, bucket.level + ((now - bucket.at) / 1000) * ratePerSecond);
		const enough = level >= count;
		this.#buckets.set(name, { level: enough ? level - count : level, at: now });
		return enough
			? { kind: 'taken', remaining: Math.floor(level - count) }
			: { kind: 'wait', afterMs: Math.ceil(((count - level) / ratePerSecond) * 1000), remaining: Math.floor(level) };
	}
}
