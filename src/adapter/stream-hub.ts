/**
 * The one dispatcher of a worker: takes the stream's entries in order, each once, and gives them to the namespaces. The worker's own
 * messages are delivered when they come back, so that all clients see one order and offsets only grow; what Redis does not take in time
 * is delivered in this pod at once, without an offset that recovery would trust, and not again when the stream brings it later.
 */
import { sleep } from '../base/deadline.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { Publisher } from '../redis/publisher.ts';
import type { RawEntry } from '../redis/reader.ts';
import {
	decodeEntry,
	type EntryFields,
	type EntryMessage,
	type PublisherMark,
	parseEntry,
	type StreamEntry,
} from '../redis/stream-entry.ts';
import { isAfter, parseOffset, type StreamOffset, timeOfOffset } from '../redis/stream-offset.ts';
import { EntryCounters } from './entry-counters.ts';
import { type LocalMessage, PendingMessages } from './pending-messages.ts';
import { SequenceTracker } from './sequence-tracker.ts';
import type { Room } from './session-record.ts';

/** A namespace of this worker, as the hub needs it. */
export interface HubNamespace {
	hasRoom(room: Room): boolean;
	/** `offset` is what clients will come back with: the entry's id, or something that recovery refuses. */
	deliver(message: EntryMessage, offset: string): void;
}

export type HubGap = 'trimmed' | 'rewound' | 'sequence' | 'epoch' | 'late_start';

export interface StreamHubDeps {
	readonly config: Config;
	readonly metrics: Metrics;
	readonly log: Logger;
	/** Entries between `from` and `to`, for when the reader of the pod was further on than this worker. */
	catchUp(from: StreamOffset, to: StreamOffset): Promise<{ readonly entries: readonly RawEntry[]; readonly complete: boolean }>;
	/** Changes of sessions that must be saved before the next entry is delivered; undefined when there are none. */
	barrier(): Promise<void> | undefined;
	/**
	 * Clients of that namespace are ahead of the stream (`true`), or the stream has caught up with them (`false`): until then nobody can
	 * be recovered, and after it only who has seen a later entry.
	 */
	onOutside(nsp: string, isOutside: boolean): void;
	/** Messages that Redis does not take: for the other workers of the pod. */
	share(messages: readonly LocalMessage[]): void;
	/** Every valid entry, in order, whoever sent it. */
	onEntry(entry: StreamEntry): void;
	/** Messages will never be on the stream, and clients here had them without it: only who was away has a hole. */
	onHole(cursor: StreamOffset): void;
	/** Entries were lost: clients of this worker have a hole in what they saw. */
	onGap(reason: HubGap, cursor: StreamOffset): void;
}

interface Frame {
	readonly after: StreamOffset;
	readonly entries: readonly RawEntry[];
}

/** The last part of an offset that no entry has: recovery over it would repeat or miss what was delivered without the stream. */
export const OUTSIDE_STREAM = '~';
const ECHO_CHECK_MS = 250;

export class StreamHub implements Closable {
	readonly #deps: StreamHubDeps;
	readonly #namespaces = new Map<string, HubNamespace>();
	readonly #sequences = new SequenceTracker();
	readonly #pending = new PendingMessages();
	readonly #counters: EntryCounters;
	readonly #frames: Frame[] = [];
	readonly #echoTimer: NodeJS.Timeout;
	#publisher: Publisher | undefined;
	#publishingRooms: readonly unknown[] = [];
	#cursor: StreamOffset | undefined;
	#pumping = false;
	#closed = false;

	constructor(deps: StreamHubDeps) {
		this.#deps = deps;
		this.#counters = new EntryCounters(deps.metrics, deps.log);
		this.#echoTimer = setInterval(() => this.#checkEchoes(), ECHO_CHECK_MS);
		this.#echoTimer.unref();
	}

	setPublisher(publisher: Publisher): void {
		this.#publisher = publisher;
	}

	/** The last entry that was dispatched; undefined before the first answer of Redis. */
	get cursor(): StreamOffset | undefined {
		return this.#cursor;
	}

	get namespaces(): ReadonlyMap<string, HubNamespace> {
		return this.#namespaces;
	}

	/** Where to begin: entries up to `cursor` are none of ours. */
	begin(cursor: StreamOffset): void {
		this.#cursor ??= cursor;
		this.#pending.forgetPublished();
	}

	add(name: string, namespace: HubNamespace): void {
		this.#namespaces.set(name, namespace);
	}

	remove(name: string): void {
		this.#namespaces.delete(name);
	}

	/** The rooms that the message which `send` publishes is for travel beside it. */
	withRooms<T>(rooms: readonly unknown[], send: () => T): T {
		this.#publishingRooms = rooms;
		try {
			return send();
		} finally {
			this.#publishingRooms = [];
		}
	}

	publish(fields: EntryFields): void {
		const mark = this.#publisher?.publish({ fields, rooms: this.#publishingRooms });
		if (mark) {
			this.#pending.add(mark, fields);
		}
	}

	onPublished(mark: PublisherMark): void {
		this.#pending.onPublished(mark);
	}

	/** That message and all before it are delivered in this pod. */
	onPublishLate(mark: PublisherMark): void {
		this.#giveUp(this.#pending.giveUpTo(mark));
	}

	/** Messages of a sibling that Redis did not take. Those that came by the stream all the same have been delivered. */
	receiveLocal(messages: readonly LocalMessage[]): void {
		const unseen = messages.filter(({ mark }) => !this.#sequences.hasSeen(mark));
		for (const message of unseen) {
			this.#pending.giveUp(message);
		}
		this.#deliverLocally(unseen);
	}

	/** Whether clients of that namespace are ahead of the stream. */
	isOutside(nsp: string): boolean {
		return this.#pending.isOutside(nsp);
	}

	/** Entries that follow `after` without a hole. Those that were dispatched already are passed over. */
	receive(after: StreamOffset, entries: readonly RawEntry[]): void {
		if (this.#closed || this.#cursor === undefined) {
			return;
		}
		this.#frames.push({ after, entries });
		if (!this.#pumping) {
			this.#pumping = true;
			void this.#pump();
		}
	}

	/** The reader lost entries, or the stream was set back: goes on after `cursor`. */
	skipTo(reason: HubGap, cursor: StreamOffset): void {
		this.#frames.length = 0;
		if (reason === 'rewound' || this.#cursor === undefined || isAfter(cursor, this.#cursor)) {
			this.#cursor = cursor;
		}
		this.#sequences.clear();
		this.#pending.forgetPublished();
		this.#deps.onGap(reason, this.#cursor);
	}

	close(): void {
		this.#closed = true;
		clearInterval(this.#echoTimer);
		this.#frames.length = 0;
	}

	/** Runs without a break unless something must be waited for. */
	async #pump(): Promise<void> {
		for (let frame = this.#frames.shift(); frame !== undefined && !this.#closed; frame = this.#frames.shift()) {
			if (this.#cursor !== undefined && isAfter(frame.after, this.#cursor)) {
				await this.#fillHole(this.#cursor, frame.after);
			}
			await this.#dispatchAll(frame.entries);
		}
		// In the same step as the last look at the frames: one that arrives now must find the pump stopped.
		this.#pumping = false;
	}

	async #fillHole(from: StreamOffset, to: StreamOffset): Promise<void> {
		const { entries, complete } = await this.#deps.catchUp(from, to);
		if (this.#cursor !== from) {
			return;
		}
		await this.#dispatchAll(entries);
		if (!complete) {
			this.skipTo('trimmed', to);
		} else if (isAfter(to, this.#cursor ?? to)) {
			this.#cursor = to;
		}
	}

	/** Not `async`: entries that need no waiting are dispatched in one go. */
	#dispatchAll(entries: readonly RawEntry[]): Promise<void> | void {
		for (let i = 0; i < entries.length; i++) {
			const barrier = this.#deps.barrier();
			if (barrier) {
				return this.#dispatchAfter(barrier, entries.slice(i));
			}
			this.#dispatchRaw(entries[i]);
		}
		this.#counters.tell();
		const newest = parseOffset(entries.at(-1)?.[0]);
		if (newest) {
			this.#deps.metrics.set('socketfleet_stream_lag_seconds', {}, Math.max(0, (Date.now() - timeOfOffset(newest)) / 1000));
		}
	}

	async #dispatchAfter(barrier: Promise<void>, entries: readonly RawEntry[]): Promise<void> {
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
		for (const raw of entries) {
			this.#dispatchRaw(raw);
		}
	}

	#dispatchRaw(raw: unknown): void {
		const parsed = parseEntry(raw);
		const id = parsed?.kind === 'entry' ? parsed.entry.id : parsed?.id;
		if (parsed === undefined || id === undefined || (this.#cursor !== undefined && !isAfter(id, this.#cursor))) {
			return;
		}
		this.#cursor = id;
		if (parsed.kind === 'malformed') {
			this.#counters.quarantine(id, parsed.reason);
			return;
		}
		this.#dispatch(parsed.entry);
	}

	#dispatch(entry: StreamEntry): void {
		const { mark } = entry;
		if (mark === undefined) {
			this.#deps.onEntry(entry);
			this.#deliver(entry);
			return;
		}
		const isFirst = !this.#sequences.knows(mark);
		const order = this.#sequences.check(mark, (missing) => this.#pending.hasGivenUp(missing));
		if (order === 'duplicate') {
			this.#counters.drop('duplicate');
			return;
		}
		if (order === 'gap') {
			this.#deps.onGap('sequence', entry.id);
		} else if (order === 'explained') {
			this.#deps.onHole(entry.id);
		}
		if (isFirst || order === 'explained') {
			this.#endOutside(this.#pending.settleBefore(mark));
		}
		this.#handLocally(this.#pending.passedOverBy(mark));
		this.#deps.onEntry(entry);
		if (this.#pending.onArrival(mark) === 'echo') {
			this.#counters.drop('echo');
			if (!this.#pending.isOutside(entry.nsp)) {
				this.#deps.onOutside(entry.nsp, false);
			}
			return;
		}
		this.#deliver(entry);
	}

	#checkEchoes(): void {
		this.#giveUp(this.#pending.giveUpOverdue());
		this.#endOutside(this.#pending.settleOld());
	}

	#endOutside(namespaces: readonly string[]): void {
		for (const nsp of namespaces) {
			this.#deps.onOutside(nsp, false);
		}
	}

	#deliver(entry: StreamEntry): void {
		const namespace = this.#namespaces.get(entry.nsp);
		if (namespace === undefined) {
			this.#counters.drop('no_namespace');
			return;
		}
		if (entry.rooms !== undefined && !entry.rooms.some((room) => namespace.hasRoom(room))) {
			this.#counters.drop('no_room');
			return;
		}
		const message = decodeEntry(entry);
		if (message.kind === 'malformed') {
			this.#counters.quarantine(entry.id, message.reason);
			return;
		}
		this.#hand(namespace, message, entry.id);
	}

	/** What an application's listener throws must not stop the stream. */
	#hand(namespace: HubNamespace, message: EntryMessage, offset: string): void {
		try {
			namespace.deliver(message, offset);
		} catch (error) {
			this.#counters.drop('failed');
			this.#deps.log.error({ err: error, offset }, 'delivering a message failed');
		}
	}

	#giveUp(messages: readonly LocalMessage[]): void {
		if (messages.length > 0) {
			this.#deliverLocally(messages);
			this.#deps.share(messages);
		}
	}

	/** Until the stream has brought them, too, clients here are ahead of it. */
	#deliverLocally(messages: readonly LocalMessage[]): void {
		for (const { fields } of messages) {
			if (this.#namespaces.has(fields.nsp)) {
				this.#deps.onOutside(fields.nsp, true);
			}
		}
		this.#handLocally(messages);
	}

	#handLocally(messages: readonly LocalMessage[]): void {
		for (const { fields } of messages) {
			const namespace = this.#namespaces.get(fields.nsp);
			const message = decodeEntry(fields);
			if (namespace && message.kind !== 'malformed') {
				this.#hand(namespace, message, `${this.#cursor ?? ''}${OUTSIDE_STREAM}`);
			}
		}
	}
}
