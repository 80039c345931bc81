/** On request of an operator: closes a part of the connections, or takes the pod out of service and closes them all; both can be taken back. */
import { sleep } from '../base/deadline.ts';
import type { Logger } from '../base/log.ts';
import type { ShedMessage } from '../ipc/messages.ts';
import type { Supervisor } from './supervisor.ts';

export interface CordonOptions {
	/** Between failing readiness and the first close, for load balancers to notice. */
	readonly delayMs: number;
	readonly spreadMs: number;
}

const STATUS_DEADLINE_MS = 1000;
/** Clients that still came after all were closed. */
const AGAIN_MS = 1000;

export class Shedder {
	readonly #supervisor: Pick<Supervisor, 'askAll' | 'send'>;
	readonly #log: Logger;
	#cordon: AbortController | undefined;

	constructor(supervisor: Pick<Supervisor, 'askAll' | 'send'>, log: Logger) {
		this.#supervisor = supervisor;
		this.#log = log;
	}

	get cordoned(): boolean {
		return this.#cordon !== undefined;
	}

	/** Does nothing when it is cordoned already: the first request's pace counts. */
	cordon({ delayMs, spreadMs }: CordonOptions): void {
		if (this.#cordon) {
			return;
		}
		this.#cordon = new AbortController();
		this.#log.info({ delayMs, spreadMs }, 'out of service on request');
		void this.#empty(this.#cordon.signal, delayMs, spreadMs);
	}

	uncordon(): void {
		if (this.#cordon) {
			this.#log.info('back in service on request');
			this.#cordon.abort();
			this.#cordon = undefined;
		}
	}

	/** Asks the workers to close `count` of their sessions, each its share. Resolves to the number asked for. */
	async shed(count: number, spreadMs: number, reason: ShedMessage['reason']): Promise<number> {
		const answers = await this.#supervisor.askAll('status', STATUS_DEADLINE_MS);
		const workers = answers.map(({ slot, value }) => ({ slot, sessions: value?.sessions ?? 0 }));
		const total = workers.reduce((sum, { sessions }) => sum + sessions, 0);
		let left = Math.min(count, total);
		let sessionsLeft = total;
		for (const { slot, sessions } of workers) {
			// Shares of what is left, so that rounding adds up to the whole.
			const share = sessionsLeft === 0 ? 0 : Math.round((left * sessions) / sessionsLeft);
			left -= share;
			sessionsLeft -= sessions;
			if (share > 0) {
				this.#supervisor.send(slot, { kind: 'shed', count: share, spreadMs, reason });
			}
		}
		return Math.min(count, total);
	}

	async #empty(signal: AbortSignal, delayMs: number, spreadMs: number): Promise<void> {
		await sleep(delayMs, signal);
		for (let pace = spreadMs; !signal.aborted; pace = 0) {
			const asked = await this.shed(Number.MAX_SAFE_INTEGER, pace, 'drain');
			await sleep(asked > 0 && pace > 0 ? pace : AGAIN_MS, signal);
		}
	}
}
