/** Values that are good for a moment. What is over is forgotten at the next write, so that it holds no more than the keys of that moment. */

export class BriefCache<V> {
	readonly #keepMs: number;
	readonly #now: () => number;
	/** In the order in which they were written, which is the order in which they end. */
	readonly #entries = new Map<string, { readonly value: V; readonly untilMs: number }>();

	constructor(keepMs: number, now: () => number = Date.now) {
		this.#keepMs = keepMs;
		this.#now = now;
	}

	get size(): number {
		return this.#entries.size;
	}

	get(key: string): V | undefined {
		const entry = this.#entries.get(key);
		return entry && entry.untilMs > this.#now() ? entry.value : undefined;
	}

	set(key: string, value: V): void {
		const now = this.#now();
		for (const [old, { untilMs }] of this.#entries) {
			if (untilMs > now) {
				break;
			}
			this.#entries.delete(old);
		}
		this.#entries.delete(key);
		this.#entries.set(key, { value, untilMs: now + this.#keepMs });
	}

	delete(key: string): void {
		this.#entries.delete(key);
	}
}
