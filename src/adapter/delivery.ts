/**
 * How messages get to this worker. `routed`: Redis pushes what is for rooms that it has. `follow`: it reads the whole log, for as long as
 * somebody writes there who does not push: pods of the version before, plain Socket.IO servers.
 */
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { RedisHandle } from '../redis/client.ts';
import { parseEntries } from '../stream/entry.ts';
import { readMissedByIndex, readMissedByLog } from '../stream/missed.ts';
import { STREAM_START, type StreamOffset, timeOfOffset } from '../stream/offset.ts';
import { StreamReader } from '../stream/reader.ts';
import { Channels } from './dispatch/channels.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import { Pushes, type Tick } from './dispatch/pushes.ts';
import type { Ticker } from './dispatch/ticker.ts';
import type { Position } from './position.ts';
import type { Room } from './sessions/record.ts';

export type DeliveryMode = 'routed' | 'follow';

export interface DeliveryDeps {
	readonly redis: RedisHandle;
	readonly stream: string;
	/** How long the log is kept, in ms. */
	readonly retentionMs: number;
	/** How long someone who joins a room waits for it. */
	readonly joinTimeoutMs: number;
	readonly position: Position;
	readonly dispatcher: Dispatcher;
	readonly ticker: Ticker;
	readonly metrics: Metrics;
	readonly log: Logger;
	/** How far the log goes, and what else is known of it. */
	onTick(tick: Tick): void;
}

export class Delivery implements Closable {
	readonly #deps: DeliveryDeps;
	readonly #channels: Channels;
	/** Until it is told, it hears everyone. */
	#mode: DeliveryMode = 'follow';
	#wanted: DeliveryMode = 'follow';
	#indexedSince = 0;
	#hasForeign = false;
	#source: Pushes | StreamReader | undefined;
	#pushes: Pushes | undefined;
	/** Changes of the mode follow one another. */
	#change: Promise<void> = Promise.resolve();
	#isStarted = false;

	constructor(deps: DeliveryDeps) {
		this.#deps = deps;
		this.#report();
		this.#channels = new Channels(deps.stream, deps.position);
	}

	/** No pod of a version that knows no routing has been there for a while. */
	get isRouted(): boolean {
		return this.#mode === 'routed';
	}

	/** What is written now comes. A connection that broke has not shown yet whether the log is still the same. */
	get isLive(): boolean {
		return this.#pushes?.isLive ?? this.#source !== undefined;
	}

	/** A sentence while someone is not heard. */
	problem(): string | undefined {
		return this.isRouted && this.#hasForeign
			? 'a program writes the stream of this fleet and is not heard, since it does not push: set delivery to follow, see docs/concepts/delivery.md'
			: undefined;
	}

	/** Call it when the worker has a cursor: before that there is nowhere to go on from. */
	start(): void {
		this.#isStarted = true;
		this.#open();
	}

	/** Nothing is lost and nothing comes twice: the other way goes on at the cursor. `indexedSince`: see `FleetAdapter.setDelivery`. */
	setMode(mode: DeliveryMode, indexedSince: number): void {
		this.#indexedSince = indexedSince;
		if (mode === this.#wanted) {
			return;
		}
		this.#wanted = mode;
		this.#change = this.#change.then(async () => {
			this.#deps.log.info({ mode }, mode === 'routed' ? 'Redis routes messages from now on' : 'this worker follows the stream from now on');
			this.#mode = mode;
			this.#report();
			if (this.#isStarted) {
				await this.#close();
				this.#open();
			}
		});
	}

	/** Someone here is in that room, or is coming back to it. Resolves when its messages come. */
	join(nsp: string, room?: Room): Promise<void> | undefined {
		this.#channels.acquire(nsp, room);
		return this.#channels.hasNew ? this.#pushes?.join() : undefined;
	}

	leave(nsp: string, room?: Room): void {
		this.#channels.release(nsp, room);
		if (this.#pushes === undefined) {
			this.#channels.forgetIdle(nsp, room);
		}
	}

	/** What a client of those rooms missed, in order. Rejects when Redis fails. */
	readMissed(nsp: string, rooms: readonly Room[], from: StreamOffset, to: StreamOffset): ReturnType<typeof readMissedByIndex> {
		const { redis, stream, retentionMs } = this.#deps;
		const places = [{ nsp, room: undefined }, ...rooms.map((room) => ({ nsp, room: String(room) }))];
		return this.#mode === 'routed' && timeOfOffset(from) > this.#indexedSince
			? readMissedByIndex(redis.commands, stream, { places, from, to, retentionMs })
			: readMissedByLog(redis.commands, stream, { places, from, to });
	}

	async close(): Promise<void> {
		this.#isStarted = false;
		await this.#change;
		await this.#close();
	}

	#open(): void {
		const { redis, stream, position, dispatcher, ticker, metrics, log } = this.#deps;
		dispatcher.follow(this.#mode === 'follow');
		if (this.#mode === 'routed') {
			const onTick = (tick: Tick): void => {
				ticker.onTick(tick.last, tick.epoch);
				this.#hasForeign = tick.hasForeign;
				this.#deps.onTick(tick);
			};
			const { joinTimeoutMs } = this.#deps;
			this.#pushes = new Pushes({ redis, stream, channels: this.#channels, position, dispatcher, metrics, log, joinTimeoutMs, onTick });
			this.#source = this.#pushes;
			this.#pushes.start();
			ticker.start();
			return;
		}
		dispatcher.hold(undefined);
		const events = {
			onBatch: (after: StreamOffset, raws: readonly unknown[]) => {
				metrics.inc('socketfleet_stream_entries_read_total', {}, raws.length);
				dispatcher.receive([{ kind: 'passed', id: after }, ...parseEntries(raws)]);
			},
			onGap: dispatcher.skipTo.bind(dispatcher),
		};
		this.#source = new StreamReader({ redis, stream, log, metrics, events }, position.cursor ?? STREAM_START);
	}

	#report(): void {
		this.#deps.metrics.set('socketfleet_routed', {}, this.#mode === 'routed' ? 1 : 0);
	}

	async #close(): Promise<void> {
		this.#deps.ticker.close();
		const source = this.#source;
		this.#source = undefined;
		this.#pushes = undefined;
		await source?.close();
	}
}
