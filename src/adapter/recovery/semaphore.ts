/** Lets a number of tasks run at once; the others wait in line. */
export class Semaphore {
	#free: number;
	readonly #waiting: (() => void)[] = [];

	constructor(limit: number) {
		this.#free = limit;
	}

	async run<T>(task: () => Promise<T>): Promise<T> {
		if (this.#free > 0) {
			this.#free--;
		} else {
			await new Promise<void>((resolve) => {
				this.#waiting.push(resolve);
			});
		}
		try {
			return await task();
		} finally {
			// The place goes to the next in line without becoming free in between.
			const next = this.#waiting.shift();
			if (next) {
				next();
			} else {
				this.#free++;
			}
		}
	}
}
