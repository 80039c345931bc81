/**
 * One worker of a pod reads the stream and hands its entries to the siblings over the bus: the lowest slot that is up. Each worker
 * keeps its own cursor, so that any of them can go on where it is when the reader dies: frames that overlap are cut, holes are filled.
 */
import { deserialize, serialize } from 'node:v8';
import { messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Bus } from '../ipc/bus.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { RedisHandle } from '../redis/client.ts';
import { type GapReason, type RawEntry, StreamReader } from '../redis/reader.ts';
import { parseOffset, type StreamOffset } from '../redis/stream-offset.ts';
import type { LocalMessage } from './pending-messages.ts';

export interface CarrierDeps {
	readonly bus: Bus;
	readonly redis: RedisHandle;
	readonly stream: string;
	readonly metrics: Metrics;
	readonly log: Logger;
	cursor(): StreamOffset | undefined;
	onBatch(after: StreamOffset, entries: readonly RawEntry[]): void;
	onGap(reason: GapReason, cursor: StreamOffset): void;
	/** Messages of a sibling that Redis did not take. */
	onLocal(messages: readonly LocalMessage[]): void;
}

type Frame =
	| { readonly kind: 'batch'; readonly after: string; readonly entries: readonly RawEntry[] }
	| { readonly kind: 'gap'; readonly reason: GapReason; readonly cursor: string }
	| { readonly kind: 'local'; readonly messages: readonly LocalMessage[] };

const TOPIC = 'stream';
/** The reader sends a frame every second, be it empty. A sibling that hears none for this long reads for itself. */
const SILENCE_MS = 3000;
const CHECK_EVERY_MS = 500;

export class Carrier implements Closable {
	readonly #deps: CarrierDeps;
	readonly #timer: NodeJS.Timeout;
	#reader: StreamReader | undefined;
	#heardAt = performance.now();
	#closed = false;

	constructor(deps: CarrierDeps) {
		this.#deps = deps;
		deps.bus.on(TOPIC, (from, payload) => this.#onFrame(from, payload));
		deps.bus.onPeer(() => this.#elect());
		this.#timer = setInterval(() => this.#elect(), CHECK_EVERY_MS);
		this.#timer.unref();
	}

	get isReading(): boolean {
		return this.#reader !== undefined;
	}

	/** Call it when the worker has a cursor: before that it has nowhere to read from. */
	start(): void {
		this.#heardAt = performance.now();
		this.#elect();
	}

	/** To the other workers of the pod, without the stream. */
	share(messages: readonly LocalMessage[]): void {
		this.#deps.bus.broadcast(TOPIC, serialize({ kind: 'local', messages } satisfies Frame));
	}

	async close(): Promise<void> {
		this.#closed = true;
		clearInterval(this.#timer);
		await this.#reader?.close();
	}

	#elect(): void {
		const cursor = this.#deps.cursor();
		if (this.#closed || cursor === undefined) {
			return;
		}
		const isLowest = this.#deps.bus.peers().every((slot) => slot > this.#deps.bus.slot);
		const isSilent = performance.now() - this.#heardAt > SILENCE_MS;
		if ((isLowest || isSilent) && this.#reader === undefined) {
			this.#deps.log.debug({ after: cursor, isLowest }, 'this worker reads the stream');
			this.#reader = this.#createReader(cursor);
		} else if (!isLowest && !isSilent && this.#reader !== undefined) {
			const reader = this.#reader;
			this.#reader = undefined;
			void reader.close();
		}
	}

	#createReader(cursor: StreamOffset): StreamReader {
		const { redis, stream, log, metrics, bus } = this.#deps;
		const events = {
			onBatch: (after: StreamOffset, entries: readonly RawEntry[]) => {
				metrics.inc('socketfleet_stream_entries_read_total', {}, entries.length);
				if (bus.peers().length > 0) {
					bus.broadcast(TOPIC, serialize({ kind: 'batch', after, entries } satisfies Frame));
				}
				this.#deps.onBatch(after, entries);
			},
			onGap: (reason: GapReason, at: StreamOffset) => {
				bus.broadcast(TOPIC, serialize({ kind: 'gap', reason, cursor: at } satisfies Frame));
				this.#deps.onGap(reason, at);
			},
		};
		return new StreamReader({ redis, stream, log, metrics, events }, cursor);
	}

	#onFrame(from: number, payload: Buffer): void {
		let frame: Frame;
		try {
			frame = deserialize(payload) as Frame;
		} catch (error) {
			this.#deps.log.error({ from, err: messageOf(error) }, 'a frame of the stream cannot be read');
			return;
		}
		if (frame.kind === 'local') {
			this.#deps.onLocal(frame.messages);
			return;
		}
		// Only a lower slot keeps this one from reading: a stand-in that read by itself for a while must not.
		if (from < this.#deps.bus.slot) {
			this.#heardAt = performance.now();
		}
		const offset = parseOffset(frame.kind === 'batch' ? frame.after : frame.cursor);
		if (offset === undefined) {
			return;
		}
		if (frame.kind === 'batch') {
			this.#deps.onBatch(offset, frame.entries);
		} else {
			this.#deps.onGap(frame.reason, offset);
		}
	}
}
