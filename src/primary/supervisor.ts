/** Keeps one worker process in each slot: starts, watches, restarts with back-off, replaces one by one, and knows who is ready. */
import cluster, { type Worker } from 'node:cluster';
import { backoffMs } from '../base/backoff.ts';
import { AppError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { FORK_ENV, type ForkIdentity } from '../config/fork.ts';
import { Channel, Requests } from '../ipc/channel.ts';
import type { ToPrimary, ToWorker, WorkerReplies } from '../ipc/messages.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { MetricSnapshot } from '../metrics/snapshot.ts';
import { createSlots, type Life, type Slot, type SlotState } from './slots.ts';
import { releaseStrandedHandles } from './stranded-handles.ts';

export interface SupervisorOptions {
	readonly pod: string;
	readonly slots: number;
	/** Flags of Node for every worker, beside those of this process. */
	readonly nodeFlags: readonly string[];
	readonly startTimeoutMs: number;
	readonly log: Logger;
	readonly metrics: Metrics;
	readonly onReady: (ports: { publicPort: number | undefined; apiPort: number | undefined }) => void;
	/** A worker cannot run and none ever could: the pod should end. */
	readonly onFatal: (code: string, message: string) => void;
	/** Another pod of the fleet holds our id. */
	readonly onPodTaken: () => void;
	/** Counters of a life that ended; `snapshot` is its last word, if it had one. */
	readonly onLifeEnded: (lifeId: string, snapshot: MetricSnapshot | undefined) => void;
}

/** What all workers of this pod are told at birth. */
export type CommonIdentity = Omit<ForkIdentity, 'slot' | 'slots' | 'pod'>;

const RESTART_BACKOFF = { minMs: 200, maxMs: 15_000 };
const FAILURES_TO_REPORT = 4;
/** A worker that ran this long was well: its next death starts the back-off anew. */
const HEALTHY_MS = 30_000;
/** The part of the time for a drain that a worker has for its last words, up to a second. */
const LAST_WORDS_SHARE = 0.2;
const MAX_LAST_WORDS_MS = 1000;

export class Supervisor {
	readonly #options: SupervisorOptions;
	readonly #slots: Slot[];
	#pod: string;
	#everReady = false;
	#stopping = false;
	#nextLife = 1;
	#identity: CommonIdentity | undefined;
	#readySlots: readonly number[] = [];

	constructor(options: SupervisorOptions) {
		this.#options = options;
		this.#pod = options.pod;
		this.#slots = createSlots(options.slots);
		cluster.schedulingPolicy = cluster.SCHED_NONE;
		cluster.setupPrimary({ serialization: 'advanced', execArgv: [...process.execArgv, ...options.nodeFlags] });
	}

	start(identity: CommonIdentity): void {
		this.#identity = identity;
		for (const slot of this.#slots) {
			this.#fork(slot);
		}
	}

	get pod(): string {
		return this.#pod;
	}

	/** Slots that take new connections, ascending. */
	readySlots(): readonly number[] {
		return this.#readySlots;
	}

	/** Whether a slot that is not ready may become so soon: one that drains has a successor. */
	anyStarting(): boolean {
		return !this.#stopping && this.#slots.some(({ state }) => state !== 'ready' && state !== 'failed');
	}

	/** One row for each slot. */
	overview(): { slot: number; state: SlotState; pid: number | undefined; failures: number; reasons: readonly string[] }[] {
		return this.#slots.map(({ index, state, life, failures, reasons }) => ({
			slot: index,
			state,
			pid: life?.worker.process.pid,
			failures,
			reasons,
		}));
	}

	/** Whether the worker of that life still runs. */
	isCurrent(lifeId: string): boolean {
		return this.#slots.some(({ life }) => life?.id === lifeId);
	}

	/** Whether a connection can be handed to `slot`: a draining worker still serves the sessions it has. */
	isAlive(slot: number): boolean {
		const state = this.#slots[slot]?.state;
		return state === 'ready' || state === 'draining';
	}

	send(
		slot: number,
		message: ToWorker,
		handle?: Parameters<Channel<ToWorker, ToPrimary>['send']>[1],
		onSent?: (error: Error | null) => void,
	): void {
		const life = this.#slots[slot]?.life;
		if (life) {
			life.channel.send(message, handle, onSent);
		} else {
			onSent?.(new AppError('ERR_UNREACHABLE', `slot ${slot} has no worker`));
		}
	}

	broadcast(message: ToWorker): void {
		for (const { life } of this.#slots) {
			life?.channel.send(message);
		}
	}

	/** Asks every live worker; one that does not answer in time gives `undefined`. */
	async askAll<K extends keyof WorkerReplies>(
		what: K,
		deadlineMs: number,
	): Promise<{ slot: number; lifeId: string; value: WorkerReplies[K] | undefined }[]> {
		const asked = this.#slots.flatMap((slot) => (slot.life && this.isAlive(slot.index) ? [{ slot: slot.index, life: slot.life }] : []));
		return Promise.all(
			asked.map(async ({ slot, life }) => ({
				slot,
				lifeId: life.id,
				value: await life.requests
					.ask(what, (message) => life.channel.send(message), deadlineMs)
					.catch((error: unknown) => {
						this.#options.log.warn({ slot, what, err: String(error) }, 'worker did not answer');
						return undefined;
					}),
			})),
		);
	}

	/** Every worker is started anew under another pod id. */
	rename(pod: string): void {
		this.#pod = pod;
		for (const slot of this.#slots) {
			if (slot.life) {
				this.#setState(slot, 'draining');
				slot.life.worker.process.kill('SIGKILL');
			}
		}
	}

	/**
	 * Replaces the workers one at a time; a slot takes no new connections from its drain until its successor is ready.
	 * A lone worker has nobody to take its clients meanwhile, so it goes at once.
	 */
	async restartAll(drainSpreadMs: number, timeoutMs: number): Promise<void> {
		const spreadMs = this.#slots.length === 1 ? 0 : drainSpreadMs;
		for (const slot of this.#slots) {
			if (this.#stopping) {
				return;
			}
			this.#options.log.info({ slot: slot.index }, 'replacing worker');
			await this.#drain(slot, spreadMs, timeoutMs);
			await this.#untilSettled(slot);
		}
	}

	/** Drains every worker at once and starts none again. Resolves when all are gone. */
	async stopAll(spreadMs: number, timeoutMs: number): Promise<void> {
		this.#stopping = true;
		for (const slot of this.#slots) {
			clearTimeout(slot.retryTimer);
		}
		await Promise.all(this.#slots.map((slot) => this.#drain(slot, spreadMs, timeoutMs)));
	}

	/** Ends the worker of that life, if it still runs and serves; another takes its slot. */
	endSilent(lifeId: string): void {
		const slot = this.#slots.find(({ life }) => life?.id === lifeId);
		if (slot?.life && slot.state === 'ready') {
			slot.life.silent = true;
			slot.life.worker.process.kill('SIGKILL');
		}
	}

	/** Ends everything now. */
	killAll(): void {
		this.#stopping = true;
		for (const { life } of this.#slots) {
			life?.worker.process.kill('SIGKILL');
		}
	}

	/** Resolves when the worker is gone, which is within `timeoutMs`. */
	#drain(slot: Slot, spreadMs: number, timeoutMs: number): Promise<void> {
		const { life, state } = slot;
		if (!life) {
			return Promise.resolve();
		}
		this.#setState(slot, 'draining');
		return new Promise((resolve) => {
			const killTimer = setTimeout(() => life.worker.process.kill('SIGKILL'), timeoutMs);
			life.worker.once('exit', () => {
				clearTimeout(killTimer);
				resolve();
			});
			if (state === 'ready') {
				const lastWordsMs = Math.min(MAX_LAST_WORDS_MS, timeoutMs * LAST_WORDS_SHARE);
				life.channel.send({ kind: 'drain', spreadMs, timeoutMs: timeoutMs - lastWordsMs });
			} else if (state !== 'draining') {
				life.worker.process.kill('SIGKILL'); // it has no sessions yet
			}
		});
	}

	/** Until the slot's new worker is ready, or has failed for the first time. */
	#untilSettled(slot: Slot): Promise<void> {
		return new Promise((resolve) => {
			const check = setInterval(() => {
				if (slot.state === 'ready' || slot.failures > 0 || this.#stopping) {
					clearInterval(check);
					resolve();
				}
			}, 20);
		});
	}

	#fork(slot: Slot): void {
		const { slots, startTimeoutMs, log } = this.#options;
		const fork = { ...this.#identity, pod: this.#pod, slot: slot.index, slots };
		const worker = cluster.fork({ [FORK_ENV]: JSON.stringify(fork) });
		const requests = new Requests();
		const life: Life = {
			worker,
			requests,
			id: `${slot.index}.${this.#nextLife++}`,
			channel: this.#openChannel(slot, worker, requests),
			startTimer: setTimeout(() => {
				log.error({ slot: slot.index, afterMs: startTimeoutMs }, 'worker did not become ready in time and is started again');
				worker.process.kill('SIGKILL');
			}, startTimeoutMs),
			silent: false,
		};
		slot.life = life;
		this.#setState(slot, slot.failures >= FAILURES_TO_REPORT ? 'failed' : 'starting');
		worker.on('error', (error) => log.error({ slot: slot.index, err: error.message }, 'channel to worker failed'));
		worker.once('exit', (code, signal) => this.#onExit(slot, life, code, signal));
	}

	#openChannel(slot: Slot, worker: Worker, requests: Requests): Channel<ToWorker, ToPrimary> {
		const { onReady, onFatal, onPodTaken, onLifeEnded, log } = this.#options;
		return new Channel<ToWorker, ToPrimary>(worker, {
			ready: ({ publicPort, apiPort }) => {
				clearTimeout(slot.life?.startTimer);
				this.#everReady = true;
				slot.readyAt = Date.now();
				this.#setState(slot, 'ready');
				onReady({ publicPort, apiPort });
			},
			reasons: ({ reasons }) => {
				slot.reasons = reasons;
			},
			reply: ({ id, value }) => requests.settle(id, value),
			'pod-taken': onPodTaken,
			fatal: ({ code, message }) => {
				if (this.#everReady) {
					log.error({ slot: slot.index, code }, message);
				} else {
					onFatal(code, message);
				}
			},
			farewell: ({ snapshot, closed, terminated }) => {
				log.info({ slot: slot.index, closed, terminated }, 'worker drained');
				if (slot.life) {
					onLifeEnded(slot.life.id, snapshot);
				}
			},
		});
	}

	#onExit(slot: Slot, life: Life, code: number | null, signal: string | null): void {
		clearTimeout(life.startTimer);
		this.#options.onLifeEnded(life.id, undefined);
		life.requests.abandon();
		slot.life = undefined;
		slot.reasons = [];
		if (this.#stopping) {
			this.#setState(slot, 'waiting');
		} else if (slot.state === 'draining') {
			slot.failures = 0;
			this.#options.metrics.inc('socketfleet_worker_restarts_total', { reason: 'requested' });
			this.#fork(slot);
		} else {
			this.#restartLater(slot, life, code, signal);
		}
		// The slot has left the ready ones by now: what was for it is placed elsewhere.
		releaseStrandedHandles(life.worker.process);
	}

	#restartLater(slot: Slot, life: Life, code: number | null, signal: string | null): void {
		const { log, metrics } = this.#options;
		const wasReady = slot.state === 'ready';
		if (wasReady && Date.now() - slot.readyAt > HEALTHY_MS) {
			slot.failures = 0;
		}
		const delayMs = backoffMs(slot.failures, RESTART_BACKOFF);
		slot.failures++;
		metrics.inc('socketfleet_worker_restarts_total', { reason: reasonOf(life, wasReady) });
		log.error({ slot: slot.index, code, signal, failures: slot.failures, delayMs }, 'worker ended and is started again');
		this.#setState(slot, slot.failures >= FAILURES_TO_REPORT ? 'failed' : 'waiting');
		slot.retryTimer = setTimeout(() => this.#fork(slot), delayMs);
	}

	#setState(slot: Slot, state: SlotState): void {
		slot.state = state;
		this.#readySlots = this.#slots.filter((each) => each.state === 'ready').map(({ index }) => index);
		const { metrics } = this.#options;
		metrics.set('socketfleet_workers', { state: 'ready' }, this.#readySlots.length);
		metrics.set('socketfleet_workers', { state: 'failed' }, this.#count('failed'));
		metrics.set('socketfleet_workers', { state: 'starting' }, this.#count('starting') + this.#count('waiting'));
	}

	#count(state: SlotState): number {
		return this.#slots.filter((each) => each.state === state).length;
	}
}

function reasonOf({ silent }: Life, wasReady: boolean): 'died' | 'silent' | 'start_failed' {
	if (silent) {
		return 'silent';
	}
	return wasReady ? 'died' : 'start_failed';
}
