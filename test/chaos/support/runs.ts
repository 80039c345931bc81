/** A set of whole numbers that come nearly in order: kept as runs without a hole. Pure. */

interface Run {
	readonly first: number;
	last: number;
}

export class Runs {
	readonly #runs: Run[] = [];

	/** The highest; 0 when there is none. */
	get last(): number {
		return this.#runs.at(-1)?.last ?? 0;
	}

	/** Above the highest: joins the last run, or begins one. One that is lower makes a run of its own where it belongs. */
	add(number: number): void {
		const end = this.#runs.at(-1);
		if (end !== undefined && end.last + 1 === number) {
			end.last = number;
			return;
		}
		this.#runs.splice(this.#countUpTo(number), 0, { first: number, last: number });
	}

	has(number: number): boolean {
		const run = this.#runs[this.#countUpTo(number) - 1];
		return run !== undefined && number <= run.last;
	}

	/** Runs that begin at that number or before it. By halving. */
	#countUpTo(number: number): number {
		let low = 0;
		let high = this.#runs.length;
		while (low < high) {
			const middle = (low + high) >>> 1;
			if ((this.#runs[middle]?.first ?? 0) <= number) {
				low = middle + 1;
			} else {
				high = middle;
			}
		}
		return low;
	}
}
