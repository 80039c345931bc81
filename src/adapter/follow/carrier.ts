/**
 * One worker of a pod reads the stream and hands its entries to the siblings over the bus: the lowest slot that is up. Each worker
 * keeps its own cursor, so that any of them can go on where it is when the reader dies: frames that overlap are cut, holes are filled.
 */
import { deserialize, serialize } from 'node:v8';
import { messageOf } from '../../base/errors.ts';
import type { Closable } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';
import type { Bus } from '../../ipc/bus.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { RedisHandle } from '../../redis/client.ts';
import type { StreamEntry } from '../../stream/entry.ts';
import type { StreamOffset } from '../../stream/offset.ts';
import { type GapReason, type RawEntry, StreamReader } from '../../stream/reader.ts';
import type { LocalMessage } from '../dispatch/pending-messages.ts';
import type { Room } from '../sessions/record.ts';
import { Interest, type InterestMessage } from './interest.ts';
import { type PackedBatch, PeerFeed } from './peer-feed.ts';
import { buildBatch, concernsAny, parseAll, type StreamBatch } from './stream-batch.ts';

export interface CarrierDeps {
	readonly bus: Bus;
	readonly redis: RedisHandle;
	readonly stream: string;
	readonly metrics: Metrics;
	readonly log: Logger;
	cursor(): StreamOffset | undefined;
	/** The namespaces of this worker, and the rooms in them. */
	rooms(): Iterable<readonly [nsp: string, rooms: Iterable<Room>]>;
	/** Whether this worker has any of the entry's rooms. */
	isConcerned(entry: StreamEntry): boolean;
	onBatch(batch: StreamBatch): void;
	onGap(reason: GapReason, cursor: StreamOffset): void;
	/** Messages of a sibling that Redis did not take. */
	onLocal(messages: readonly LocalMessage[]): void;
}

type Frame =
	| { readonly kind: 'batches'; readonly batches: readonly PackedBatch[]; readonly known: string | undefined }
	| { readonly kind: 'gap'; readonly reason: GapReason; readonly cursor: StreamOffset }
	| { readonly kind: 'local'; readonly messages: readonly LocalMessage[] }
	| { readonly kind: 'interest'; readonly message: InterestMessage };

const TOPIC = 'stream';
/** The reader sends a frame every second, be it empty. A sibling that hears none for this long reads for itself. */
const SILENCE_MS = 3000;
const CHECK_EVERY_MS = 500;

export class Carrier implements Closable {
	/** What the reader of the pod is told about this worker. */
	readonly interest: Interest;
	readonly #deps: CarrierDeps;
	readonly #timer: NodeJS.Timeout;
	readonly #feeds = new Map<number, PeerFeed>();
	#reader: StreamReader | undefined;
	#heardAt = performance.now();
	#closed = false;

	constructor(deps: CarrierDeps) {
		this.#deps = deps;
		this.interest = new Interest({
			rooms: () => deps.rooms(),
			send: (slot, message) => deps.bus.send(slot, TOPIC, serialize({ kind: 'interest', message } satisfies Frame)),
		});
		deps.bus.on(TOPIC, (from, payload) => this.#onFrame(from, payload));
		deps.bus.onPeer((slot, up) => this.#onPeer(slot, up));
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
		this.#flushFeeds();
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
			this.#flushFeeds();
			void reader.close();
		}
	}

	#createReader(cursor: StreamOffset): StreamReader {
		const { redis, stream, log, metrics, bus } = this.#deps;
		const events = {
			onBatch: (after: StreamOffset, entries: readonly RawEntry[]) => this.#onRead(after, entries),
			onGap: (reason: GapReason, at: StreamOffset) => {
				this.#flushFeeds();
				bus.broadcast(TOPIC, serialize({ kind: 'gap', reason, cursor: at } satisfies Frame));
				this.#deps.onGap(reason, at);
			},
		};
		return new StreamReader({ redis, stream, log, metrics, events }, cursor);
	}

	/** Gives whether they concern anyone in the pod. */
	#onRead(after: StreamOffset, entries: readonly RawEntry[]): boolean {
		const { bus, metrics } = this.#deps;
		metrics.inc('socketfleet_stream_entries_read_total', {}, entries.length);
		const parsed = parseAll(entries);
		let isConcerned = concernsAny(parsed, (entry) => this.#deps.isConcerned(entry));
		const batch = buildBatch(after, parsed, isConcerned ? undefined : this.interest.token);
		const peers = bus.peers();
		if (peers.length > 0) {
			const packed = serialize(entries);
			for (const slot of peers) {
				isConcerned = this.#feedOf(slot).add(batch, packed) === 'sent' || isConcerned;
			}
		}
		this.#deps.onBatch(batch);
		return isConcerned;
	}

	#feedOf(slot: number): PeerFeed {
		let feed = this.#feeds.get(slot);
		if (feed === undefined) {
			const send = (batches: readonly PackedBatch[], known: string | undefined): void => {
				this.#deps.bus.send(slot, TOPIC, serialize({ kind: 'batches', batches, known } satisfies Frame));
			};
			feed = new PeerFeed(send);
			this.#feeds.set(slot, feed);
		}
		return feed;
	}

	#flushFeeds(): void {
		for (const feed of this.#feeds.values()) {
			feed.flush();
		}
	}

	#onPeer(slot: number, up: boolean): void {
		if (!up) {
			// What it has not got it reads for itself, or is not there any more.
			this.#feeds.get(slot)?.close();
			this.#feeds.delete(slot);
			this.interest.onPeerDown(slot);
		}
		this.#elect();
	}

	#onFrame(from: number, payload: Buffer): void {
		let frame: Frame;
		try {
			frame = deserialize(payload) as Frame;
		} catch (error) {
			this.#deps.log.error({ from, err: messageOf(error) }, 'a frame of the stream cannot be read');
			return;
		}
		switch (frame.kind) {
			case 'local':
				this.#deps.onLocal(frame.messages);
				break;
			case 'interest':
				this.#feedOf(from).onInterest(frame.message);
				break;
			case 'gap':
				this.#hear(from);
				this.#deps.onGap(frame.reason, frame.cursor);
				break;
			case 'batches':
				this.#hear(from);
				for (const batch of frame.batches) {
					this.#deps.onBatch(unpack(batch));
				}
				this.interest.onReader(from, frame.known);
				break;
		}
	}

	/** Only a lower slot keeps this one from reading: a stand-in that read by itself for a while must not. */
	#hear(from: number): void {
		if (from < this.#deps.bus.slot) {
			this.#heardAt = performance.now();
		}
	}
}

function unpack({ entries, ...batch }: PackedBatch): StreamBatch {
	return { ...batch, bytes: entries.length, parse: () => parseAll(deserialize(entries) as readonly RawEntry[]) };
}
