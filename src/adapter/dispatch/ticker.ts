/** Lets the workers of the fleet know how far the log goes: those for whom nothing was pushed, too. Any worker may; one in time is enough. */
import { messageOf } from '../../base/errors.ts';
import type { Closable } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';
import type { RedisHandle } from '../../redis/client.ts';
import type { RedisKeys } from '../../redis/keys.ts';
import { createScript, publishCommandOf } from '../../redis/script.ts';
import { STREAM_START, type StreamOffset } from '../../stream/offset.ts';
import { tickChannelOf } from '../../stream/route.ts';
import { TICK_SCRIPT } from '../../stream/tick-script.ts';
import type { Position } from '../position.ts';

export interface TickerDeps {
	readonly redis: RedisHandle;
	readonly keys: RedisKeys;
	readonly position: Position;
	/** How long the log is kept, in ms. */
	readonly retentionMs: number;
	readonly log: Logger;
}

/** While the log moves, and while it does not. */
const MOVING_MS = 100;
const IDLE_MS = 1000;
/** Workers whose turn has come at the same time do not ask together. */
const JITTER = 0.2;

const SCRIPT = createScript(TICK_SCRIPT);

export class Ticker implements Closable {
	readonly #deps: TickerDeps;
	#timer: NodeJS.Timeout | undefined;
	#last: StreamOffset | undefined;
	#isClosed = true;
	#epoch = '';
	#running: Promise<void> = Promise.resolve();
	/** One that has not started. */
	#next: Promise<void> | undefined;

	constructor(deps: TickerDeps) {
		this.#deps = deps;
	}

	start(): void {
		this.#isClosed = false;
		this.#schedule(0);
	}

	/** Someone has ticked. */
	onTick(last: StreamOffset, epoch: string): void {
		this.#epoch = epoch;
		const isMoving = last !== this.#last;
		this.#last = last;
		this.#schedule(isMoving ? MOVING_MS : IDLE_MS);
	}

	/** Ticks at once: someone waits for the cursor to move. Those who come while one is under way share the next. Rejects when Redis fails. */
	tickNow(): Promise<void> {
		this.#next ??= this.#running.then(() => {
			this.#next = undefined;
			const tick = this.#tick(0, 0);
			this.#running = tick.catch(() => undefined);
			return tick;
		});
		return this.#next;
	}

	close(): void {
		this.#isClosed = true;
		clearTimeout(this.#timer);
	}

	#schedule(afterMs: number): void {
		if (this.#isClosed) {
			return;
		}
		clearTimeout(this.#timer);
		this.#timer = setTimeout(
			() => {
				// In case that nothing comes back.
				this.#schedule(IDLE_MS);
				this.#tick(MOVING_MS, IDLE_MS).catch((error: unknown) => {
					this.#deps.log.debug({ err: messageOf(error) }, 'ticking failed, trying again');
				});
			},
			afterMs * (1 + Math.random() * JITTER),
		);
		this.#timer.unref();
	}

	async #tick(youngMs: number, youngWhileIdleMs: number): Promise<void> {
		const { redis, keys, position, retentionMs } = this.#deps;
		const known = position.cursor ?? STREAM_START;
		const args = [known, this.#epoch, youngMs, youngWhileIdleMs, retentionMs, tickChannelOf(keys.stream), publishCommandOf(redis.commands)];
		await SCRIPT.run(redis.commands, [keys.stream, keys.epoch, keys.bounds], args);
	}
}
