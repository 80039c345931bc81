/** Ends workers that no longer answer, so that their clients come back to those that do. A process that hangs never exits by itself. */
import { sleep } from '../base/deadline.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Supervisor } from './supervisor.ts';

/** The second question: a pod that was itself frozen finds the first one overdue although its workers are well. */
const LAST_CHANCE_MS = 2000;
const PAUSE_MS = 5000;

export class Watchdog implements Closable {
	readonly #closed = new AbortController();

	/** `timeoutMs`: how long a worker may stay silent; 0 watches nothing. */
	constructor(supervisor: Pick<Supervisor, 'askAll' | 'endSilent'>, timeoutMs: number, log: Logger) {
		if (timeoutMs > 0) {
			void this.#watch(supervisor, timeoutMs, log);
		}
	}

	close(): void {
		this.#closed.abort();
	}

	async #watch(supervisor: Pick<Supervisor, 'askAll' | 'endSilent'>, timeoutMs: number, log: Logger): Promise<void> {
		const { signal } = this.#closed;
		while (!signal.aborted) {
			const silent = silentOf(await supervisor.askAll('status', timeoutMs));
			if (silent.length > 0 && !signal.aborted) {
				const still = silentOf(await supervisor.askAll('status', LAST_CHANCE_MS));
				for (const lifeId of still.filter((each) => silent.includes(each))) {
					log.error({ life: lifeId, silentMs: timeoutMs }, 'a worker does not answer and is ended');
					supervisor.endSilent(lifeId);
				}
			}
			await sleep(PAUSE_MS, signal);
		}
	}
}

function silentOf(answers: Awaited<ReturnType<Supervisor['askAll']>>): string[] {
	return answers.flatMap(({ lifeId, value }) => (value === undefined ? [lifeId] : []));
}
