/** The last things that happened to one listener, for when a promise to it was broken. */

const KEPT = 20_000;
const SHOWN_BEFORE = 30;
const SHOWN_AFTER = 10;

export class History {
	readonly #lines: string[] = [];
	#dropped = 0;
	#isFrozen = false;

	get length(): number {
		return this.#dropped + this.#lines.length;
	}

	/** Nothing more is kept: what was broken must not be pushed out by what follows. */
	freeze(): void {
		this.#isFrozen = true;
	}

	/** Gives the position of the line. */
	add(what: string): number {
		if (this.#isFrozen) {
			return this.length - 1;
		}
		this.#lines.push(`${(performance.now() / 1000).toFixed(3)} ${what}`);
		if (this.#lines.length > 2 * KEPT) {
			this.#lines.splice(0, KEPT);
			this.#dropped += KEPT;
		}
		return this.length - 1;
	}

	/** The lines around a position; those that are too old are gone. */
	around(position: number): string {
		const index = position - this.#dropped;
		const from = Math.max(0, index - SHOWN_BEFORE);
		return this.#lines
			.slice(from, Math.max(0, index + SHOWN_AFTER))
			.map((line, i) => `${from + i === index ? '>' : ' '} ${line}`)
			.join('\n');
	}
}
