/** Counts changes that must be saved before anything more is delivered, and lets those who wait go when there are none left. */
export class UrgentChanges {
	#count = 0;
	#waiters: (() => void)[] = [];

	get isEmpty(): boolean {
		return this.#count === 0;
	}

	add(): void {
		this.#count++;
	}

	settle(): void {
		this.#count--;
		if (this.#count === 0) {
			this.#release();
		}
	}

	/** Nobody waits for any of them any longer: they can't be saved now. */
	clear(): void {
		this.#count = 0;
		this.#release();
	}

	whenEmpty(): Promise<void> {
		if (this.#count === 0) {
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
