/**
 * The one dispatcher of a worker: takes the stream's entries in order, each once, and gives them to the namespaces. The worker's own
 * messages are delivered when they come back, so that all clients see one order and offsets only grow.
 */
import { sleep } from '../../base/deadline.ts';
import type { Closable } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';
import type { Config } from '../../config/schema.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { ParsedEntry, StreamEntry } from '../../stream/entry.ts';
import { isAfter, type StreamOffset, timeOfOffset } from '../../stream/offset.ts';
import type { RawEntry } from '../../stream/reader.ts';
import { idOf, parseAll, type StreamBatch } from '../follow/stream-batch.ts';
import { Deliveries, type HubNamespace } from './deliveries.ts';
import { OwnMessages, type OwnMessagesDeps } from './outbox.ts';
import { SequenceTracker } from './sequence-tracker.ts';

export type HubGap = 'trimmed' | 'rewound' | 'sequence' | 'epoch' | 'late_start';

export interface StreamHubDeps extends Pick<OwnMessagesDeps, 'onOutside' | 'share'> {
	readonly config: Config;
	readonly metrics: Metrics;
	readonly log: Logger;
	/** Entries between `from` and `to`, for when the reader of the pod was further on than this worker. */
	catchUp(from: StreamOffset, to: StreamOffset): Promise<{ readonly entries: readonly RawEntry[]; readonly complete: boolean }>;
	/** Changes of sessions that must be saved before the next entry is delivered; undefined when there are none. */
	barrier(): Promise<void> | undefined;
	/** Names the namespaces and rooms that this worker has at this moment. */
	interest(): string;
	/** Every valid entry, in order, whoever sent it: one by one, or those of a batch that concerns nobody here. */
	onEntry(entry: StreamEntry): void;
	onQuietBatch(batch: StreamBatch): void;
	/** Messages will never be on the stream, and clients here had them without it: only who was away has a hole. */
	onHole(cursor: StreamOffset): void;
	/** Entries were lost: clients of this worker have a hole in what they saw. */
	onGap(reason: HubGap, cursor: StreamOffset): void;
}

export class StreamHub implements Closable {
	/** What this worker publishes itself. */
	readonly own: OwnMessages;
	readonly #deps: StreamHubDeps;
	readonly #deliveries: Deliveries;
	readonly #sequences = new SequenceTracker();
	readonly #batches: StreamBatch[] = [];
	#cursor: StreamOffset | undefined;
	#pumping = false;
	#closed = false;

	constructor(deps: StreamHubDeps) {
		this.#deps = deps;
		this.#deliveries = new Deliveries(deps.metrics, deps.log);
		this.own = new OwnMessages({
			deliveries: this.#deliveries,
			cursor: () => this.#cursor,
			hasSeen: (mark) => this.#sequences.hasSeen(mark),
			onOutside: (nsp, isOutside) => deps.onOutside(nsp, isOutside),
			share: (messages) => deps.share(messages),
		});
	}

	/** The last entry that was dispatched; undefined before the first answer of Redis. */
	get cursor(): StreamOffset | undefined {
		return this.#cursor;
	}

	get namespaces(): ReadonlyMap<string, HubNamespace> {
		return this.#deliveries.namespaces;
	}

	/** Whether this worker has any of the entry's rooms. */
	isConcerned(entry: StreamEntry): boolean {
		return this.#deliveries.isConcerned(entry);
	}

	/** Where to begin: entries up to `cursor` are none of ours. */
	begin(cursor: StreamOffset): void {
		this.#cursor ??= cursor;
		this.own.forgetPublished();
	}

	add(name: string, namespace: HubNamespace): void {
		this.#deliveries.namespaces.set(name, namespace);
	}

	remove(name: string): void {
		this.#deliveries.namespaces.delete(name);
	}

	/** What was dispatched already is passed over. */
	receive(batch: StreamBatch): void {
		if (this.#closed || this.#cursor === undefined) {
			return;
		}
		this.#batches.push(batch);
		if (!this.#pumping) {
			this.#pumping = true;
			void this.#pump();
		}
	}

	/** The reader lost entries, or the stream was set back: goes on after `cursor`. */
	skipTo(reason: HubGap, cursor: StreamOffset): void {
		this.#batches.length = 0;
		if (reason === 'rewound' || this.#cursor === undefined || isAfter(cursor, this.#cursor)) {
			this.#cursor = cursor;
		}
		this.#sequences.clear();
		this.own.forgetPublished();
		this.#deps.onGap(reason, this.#cursor);
	}

	close(): void {
		this.#closed = true;
		this.own.close();
		this.#batches.length = 0;
	}

	/** Runs without a break unless something must be waited for. */
	async #pump(): Promise<void> {
		for (let batch = this.#batches.shift(); batch !== undefined && !this.#closed; batch = this.#batches.shift()) {
			if (this.#cursor !== undefined && isAfter(batch.after, this.#cursor)) {
				await this.#fillHole(this.#cursor, batch.after);
			}
			const delay = this.#passOver(batch) ? undefined : this.#dispatchAll(batch.parse());
			if (delay) {
				await delay;
			}
			this.#deliveries.counters.tell();
			if (batch.count > 0) {
				this.#deps.metrics.set('socketfleet_stream_lag_seconds', {}, Math.max(0, (Date.now() - timeOfOffset(batch.last)) / 1000));
			}
		}
		// In the same step as the last look at the batches: one that arrives now must find the pump stopped.
		this.#pumping = false;
	}

	async #fillHole(from: StreamOffset, to: StreamOffset): Promise<void> {
		const { entries, complete } = await this.#deps.catchUp(from, to);
		if (this.#cursor !== from) {
			return;
		}
		await this.#dispatchAll(parseAll(entries));
		if (!complete) {
			this.skipTo('trimmed', to);
		} else if (isAfter(to, this.#cursor ?? to)) {
			this.#cursor = to;
		}
	}

	/**
	 * A batch that concerns nobody here costs next to nothing. False when it must be looked at: rooms were joined since that was found,
	 * its sequences do not go on where ours are, or messages that were delivered without the stream may be in it.
	 */
	#passOver(batch: StreamBatch): boolean {
		const { quietFor, runs } = batch;
		const isQuiet = quietFor !== undefined && quietFor === this.#deps.interest() && batch.after === this.#cursor;
		if (
			!isQuiet ||
			this.own.isOutside() ||
			!runs?.every((run) => this.#sequences.continues(run) && !this.own.isWaitingBefore(run.publisher, run.first))
		) {
			return false;
		}
		for (const run of runs) {
			this.#sequences.advance({ publisher: run.publisher, sequence: run.last });
			this.own.arriveAll(run.publisher, run.first, run.last);
		}
		this.#deps.onQuietBatch(batch);
		this.#cursor = batch.last;
		this.#deliveries.counters.drop('no_room', batch.count);
		return true;
	}

	/** Not `async`: entries that need no waiting are dispatched in one go. */
	#dispatchAll(entries: readonly ParsedEntry[]): Promise<void> | void {
		for (const [index, entry] of entries.entries()) {
			const barrier = this.#deps.barrier();
			if (barrier) {
				return this.#dispatchAfter(barrier, entries.slice(index));
			}
			this.#dispatchParsed(entry);
		}
	}

	async #dispatchAfter(barrier: Promise<void>, entries: readonly ParsedEntry[]): Promise<void> {
		const stop = new AbortController();
		const isSettled = await Promise.race([
			barrier.then(() => true),
			sleep(this.#deps.config.publishTimeoutMs, stop.signal).then(() => false),
		]);
		stop.abort();
		if (isSettled) {
			await this.#dispatchAll(entries);
			return;
		}
		// Redis does not take the sessions now. Clients are not kept waiting for that.
		for (const entry of entries) {
			this.#dispatchParsed(entry);
		}
	}

	#dispatchParsed(parsed: ParsedEntry): void {
		const id = idOf(parsed);
		if (this.#cursor !== undefined && !isAfter(id, this.#cursor)) {
			return;
		}
		this.#cursor = id;
		if (parsed.kind === 'malformed') {
			this.#deliveries.counters.quarantine(id, parsed.reason);
			return;
		}
		this.#dispatch(parsed.entry);
	}

	#dispatch(entry: StreamEntry): void {
		const { mark } = entry;
		if (mark === undefined) {
			this.#deps.onEntry(entry);
			this.#deliveries.deliver(entry);
			return;
		}
		const isFirst = !this.#sequences.knows(mark);
		const order = this.#sequences.check(mark, (missing) => this.own.hasGivenUp(missing));
		if (order === 'duplicate') {
			this.#deliveries.counters.drop('duplicate');
			return;
		}
		if (order === 'gap') {
			this.#deps.onGap('sequence', entry.id);
		} else if (order === 'explained') {
			this.#deps.onHole(entry.id);
		}
		if (isFirst || order === 'explained') {
			this.own.settleBefore(mark);
		}
		this.own.deliverPassedOver(mark);
		this.#deps.onEntry(entry);
		if (this.own.arrive(entry.nsp, mark)) {
			this.#deliveries.counters.drop('echo');
			return;
		}
		this.#deliveries.deliver(entry);
	}
}
