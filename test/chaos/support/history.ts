/** The last things that happened to one client, for when a promise to it was broken. */
import { isAfter, type StreamOffset } from '../../../src/stream/offset.ts';

const KEPT = 20_000;
const SHOWN_BEFORE = 30;
const SHOWN_AFTER = 10;
/** Of what the client did before that, without what it heard. */
const STEPS_BEFORE = 40;

interface Line {
	readonly text: string;
	readonly isStep: boolean;
	readonly offset: StreamOffset | undefined;
}

export class History {
	readonly #lines: Line[] = [];
	#dropped = 0;
	#isFrozen = false;

	get length(): number {
		return this.#dropped + this.#lines.length;
	}

	/** Nothing more is kept: what was broken must not be pushed out by what follows. */
	freeze(): void {
		this.#isFrozen = true;
	}

	/** The client did something, or something was done to it. Gives the position of the line. */
	add(what: string): number {
		return this.#push({ text: what, isStep: true, offset: undefined });
	}

	/** The client heard something. */
	hear(what: string, offset: StreamOffset | undefined): number {
		return this.#push({ text: `${what} at ${offset ?? 'no offset'}`, isStep: false, offset });
	}

	/** The first line that is kept and lies behind that offset; the last one if there is none. */
	positionOf(id: StreamOffset): number {
		const index = this.#lines.findIndex(({ offset }) => offset !== undefined && isAfter(offset, id));
		return index < 0 ? this.length - 1 : this.#dropped + index;
	}

	/** The lines around a position, and the steps that led there; those that are too old are gone. */
	around(position: number): string {
		const index = position - this.#dropped;
		const from = Math.max(0, index - SHOWN_BEFORE);
		const steps = this.#lines.slice(0, from).filter(({ isStep }) => isStep);
		const lines = [...steps.slice(-STEPS_BEFORE), ...this.#lines.slice(from, Math.max(0, index + SHOWN_AFTER))];
		const shown = this.#lines[index];
		return lines.map((line) => `${line === shown ? '>' : ' '} ${line.text}`).join('\n');
	}

	#push(line: Line): number {
		if (this.#isFrozen) {
			return this.length - 1;
		}
		this.#lines.push({ ...line, text: `${(performance.now() / 1000).toFixed(3)} ${line.text}` });
		if (this.#lines.length > 2 * KEPT) {
			this.#lines.splice(0, KEPT);
			this.#dropped += KEPT;
		}
		return this.length - 1;
	}
}
