/** On request of an operator: closes a part of the connections, or takes the pod out of service and closes them all; both can be taken back. */
import { type Clock, SYSTEM_CLOCK } from '../base/deadline.ts';
import type { Logger } from '../base/log.ts';
import type { ShedMessage } from '../ipc/messages.ts';
import type { Supervisor } from './supervisor.ts';

export interface CordonOptions {
	/** Between failing readiness and the first close, for load balancers to notice. */
	readonly delayMs: number;
	/** Connections are closed evenly over this time, or longer where `maxPerSecond` asks for it. */
	readonly spreadMs: number;
	/** 0: no limit. */
	readonly maxPerSecond: number;
}

interface Load {
	readonly slot: number;
	readonly sessions: number;
}

const STATUS_DEADLINE_MS = 1000;
/** A worker closes what it was asked to close: what is asked for at once can't be taken back. */
const ROUND_MS = 2000;
/** Clients that still came after all were closed. */
const AGAIN_MS = 1000;

export class Shedder {
	readonly #supervisor: Pick<Supervisor, 'askAll' | 'send'>;
	readonly #log: Logger;
	readonly #clock: Clock;
	#cordon: AbortController | undefined;

	constructor(supervisor: Pick<Supervisor, 'askAll' | 'send'>, log: Logger, clock = SYSTEM_CLOCK) {
		this.#supervisor = supervisor;
		this.#log = log;
		this.#clock = clock;
	}

	get cordoned(): boolean {
		return this.#cordon !== undefined;
	}

	/** Does nothing when it is cordoned already: the first request's pace counts. */
	cordon(options: CordonOptions): void {
		if (this.#cordon) {
			return;
		}
		this.#cordon = new AbortController();
		this.#log.info(options, 'out of service on request');
		void this.#empty(this.#cordon.signal, options);
	}

	uncordon(): void {
		if (this.#cordon) {
			this.#log.info('back in service on request');
			this.#cordon.abort();
			this.#cordon = undefined;
		}
	}

	/** Asks the workers to close `count` of their sessions, each its share. Resolves to the number asked for. */
	async shed(count: number, spreadMs: number): Promise<number> {
		const loads = await this.#loads();
		const closing = Math.min(count, totalOf(loads));
		this.#share(loads, closing, spreadMs, 'rebalance');
		return closing;
	}

	/** Round after round, at the pace that is left to keep: what still comes is closed at it too. */
	async #empty(signal: AbortSignal, { delayMs, spreadMs, maxPerSecond }: CordonOptions): Promise<void> {
		await this.#clock.sleep(delayMs, signal);
		const endsAt = this.#clock.now() + spreadMs;
		let due = 0;
		while (!signal.aborted) {
			const loads = await this.#loads();
			if (signal.aborted) {
				return;
			}
			const total = totalOf(loads);
			const budgetMs = maxPerSecond === 0 ? 0 : (1000 * total) / maxPerSecond;
			const leftMs = Math.max(endsAt - this.#clock.now(), budgetMs);
			const roundMs = Math.min(ROUND_MS, leftMs);
			// Parts of one are carried over, so that few sessions spread over a long time too.
			due += leftMs > 0 ? (total * roundMs) / leftMs : total;
			const count = Math.min(total, Math.floor(due));
			due -= count;
			this.#share(loads, count, roundMs, 'drain');
			await this.#clock.sleep(total > 0 && roundMs > 0 ? roundMs : AGAIN_MS, signal);
		}
	}

	async #loads(): Promise<readonly Load[]> {
		const answers = await this.#supervisor.askAll('status', STATUS_DEADLINE_MS);
		return answers.map(({ slot, value }) => ({ slot, sessions: value?.sessions ?? 0 }));
	}

	#share(loads: readonly Load[], count: number, spreadMs: number, reason: ShedMessage['reason']): void {
		let left = count;
		let sessionsLeft = totalOf(loads);
		for (const { slot, sessions } of loads) {
			// Shares of what is left, so that rounding adds up to the whole.
			const share = sessionsLeft === 0 ? 0 : Math.round((left * sessions) / sessionsLeft);
			left -= share;
			sessionsLeft -= sessions;
			if (share > 0) {
				this.#supervisor.send(slot, { kind: 'shed', count: share, spreadMs, reason });
			}
		}
	}
}

function totalOf(loads: readonly Load[]): number {
	return loads.reduce((sum, { sessions }) => sum + sessions, 0);
}
