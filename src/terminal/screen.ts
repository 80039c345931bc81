/** Where a view that changes is shown: repainted in place on a terminal, one block after the other anywhere else. */
import type { Closable } from '../base/lifecycle.ts';

export interface Screen extends Closable {
	show(text: string): void;
	/** Gives the terminal back as it was. Idempotent. */
	close(): void;
}

/** What of a `tty.WriteStream` is used; `isTTY` is undefined for a pipe or a file. */
export interface Output {
	readonly isTTY?: boolean;
	readonly columns?: number;
	readonly rows?: number;
	write(text: string): unknown;
}

/** The second screen of a terminal, without its cursor; leaving it brings back what was there before. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE_END = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

export function createScreen(out: Output): Screen {
	return out.isTTY ? new Terminal(out) : { show: (text) => void out.write(`${text}\n`), close: () => undefined };
}

class Terminal implements Screen {
	readonly #out: Output;
	#isOpen = false;

	constructor(out: Output) {
		this.#out = out;
	}

	/** In one write: a half-painted screen would flicker. What does not fit is cut, or the screen would scroll. */
	show(text: string): void {
		const { columns = 80, rows = 24 } = this.#out;
		const lines = text.trimEnd().split('\n').slice(0, rows);
		const painted = lines.map((line) => `${line.slice(0, columns)}${CLEAR_LINE_END}`).join('\r\n');
		this.#out.write(`${this.#isOpen ? '' : ENTER}${HOME}${painted}${CLEAR_BELOW}`);
		this.#isOpen = true;
	}

	close(): void {
		if (this.#isOpen) {
			this.#isOpen = false;
			this.#out.write(LEAVE);
		}
	}
}
