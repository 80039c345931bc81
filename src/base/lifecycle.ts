/** Start in order, stop in reverse, once. */
import { messageOf } from './errors.ts';
import type { Logger } from './log.ts';

export interface Closable {
	close(): Promise<void> | void;
}

/** Collects what was started; `close()` ends it in reverse order, goes on past failures and is idempotent. */
export class Lifecycle implements Closable {
	readonly #log: Logger;
	readonly #parts: { name: string; part: Closable }[] = [];
	#closing: Promise<void> | undefined;

	constructor(log: Logger) {
		this.#log = log;
	}

	add<T extends Closable>(name: string, part: T): T {
		this.#parts.push({ name, part });
		return part;
	}

	close(): Promise<void> {
		this.#closing ??= this.#closeAll();
		return this.#closing;
	}

	async #closeAll(): Promise<void> {
		for (const { name, part } of this.#parts.reverse()) {
			try {
				await part.close();
			} catch (error) {
				this.#log.error({ part: name, err: messageOf(error) }, 'closing failed');
			}
		}
	}
}
