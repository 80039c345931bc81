/** What must be saved before anything more is delivered; lets those who wait go when there is nothing left. */
export class UrgentChanges<T> {
	/** A set, not a count: what was cleared while it was being saved is settled once more afterwards, and that must change nothing. */
	readonly #items = new Set<T>();
	#waiters: (() => void)[] = [];

	get isEmpty(): boolean {
		return this.#items.size === 0;
	}

	get items(): Iterable<T> {
		return this.#items;
	}

	add(item: T): void {
		this.#items.add(item);
	}

	settle(item: T): void {
		if (this.#items.delete(item) && this.#items.size === 0) {
			this.#release();
		}
	}

	/** Nobody waits for any of them any longer: they can't be saved now. */
	clear(): void {
		this.#items.clear();
		this.#release();
	}

	whenEmpty(): Promise<void> {
		if (this.#items.size === 0) {
			return Promise.resolve();
		}
		return new Promise((resolve) => {
			this.#waiters.push(resolve);
		});
	}

	#release(): void {
		const waiters = this.#waiters;
		this.#waiters = [];
		for (const resolve of waiters) {
			resolve();
		}
	}
}
