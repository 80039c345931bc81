/**
 * What the worker that reads the stream hands on to one sibling. What concerns the sibling goes at once, with all before it; the rest
 * waits a moment and goes together, since waking a process costs more than the bytes. Everything arrives, in order: who comes back to
 * the sibling may have missed it.
 */
import type { Closable } from '../../base/lifecycle.ts';
import { type InterestMessage, KnownInterest } from './interest.ts';
import { concernsAny, type StreamBatch } from './stream-batch.ts';

/** A batch as it travels. */
export interface PackedBatch extends Omit<StreamBatch, 'bytes' | 'parse'> {
	/** Raw entries, serialised: a sibling that passes over the batch need not read them. */
	readonly entries: Uint8Array;
}

/** `known`: the sibling's interest as this worker knows it. */
export type SendBatches = (batches: readonly PackedBatch[], known: string | undefined) => void;

/** How long a sibling may be behind the stream by entries that do not concern it. */
const HOLD_MS = 50;
const MAX_HELD_BYTES = 256 * 1024;

export class PeerFeed implements Closable {
	readonly #send: SendBatches;
	readonly #interest = new KnownInterest();
	#held: PackedBatch[] = [];
	#heldBytes = 0;
	#timer: NodeJS.Timeout | undefined;

	constructor(send: SendBatches) {
		this.#send = send;
	}

	/** `entries`: those of the batch, serialised. */
	add(batch: StreamBatch, entries: Uint8Array): 'sent' | 'held' {
		const { after, last, count, runs } = batch;
		const isQuiet = count > 0 && runs !== undefined && this.#interest.token !== undefined && !this.#concerns(batch);
		this.#held.push({ after, last, count, runs, entries, quietFor: isQuiet ? this.#interest.token : undefined });
		this.#heldBytes += entries.length;
		if (!isQuiet || this.#heldBytes > MAX_HELD_BYTES) {
			this.flush();
			return 'sent';
		}
		this.#timer ??= setTimeout(() => this.flush(), HOLD_MS).unref();
		return 'held';
	}

	/** What was held under the old interest goes first: some of it may concern the sibling now. */
	onInterest(message: InterestMessage): void {
		this.flush();
		this.#interest.apply(message);
	}

	flush(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		if (this.#held.length > 0) {
			const batches = this.#held;
			this.#held = [];
			this.#heldBytes = 0;
			this.#send(batches, this.#interest.token);
		}
	}

	/** The sibling is gone, and with it what it was interested in. */
	close(): void {
		clearTimeout(this.#timer);
	}

	#concerns(batch: StreamBatch): boolean {
		return concernsAny(batch.parse(), (entry) => this.#interest.includes(entry));
	}
}
