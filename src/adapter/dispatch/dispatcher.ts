/**
 * The one dispatcher of a worker: takes entries in the order of the log, each once, and gives them to the namespaces. The worker's own
 * messages are delivered when they come back, so that all clients see one order and offsets only grow.
 *
 *   pushes or reader -> receive() -> (held while rooms are joined or sessions saved) -> dispatch -> LocalNamespaces -> Socket.IO
 */
import { sleep } from '../../base/deadline.ts';
import type { Closable } from '../../base/lifecycle.ts';
import type { Config } from '../../config/schema.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { idOf, MESSAGES_LOST, type ParsedEntry, type StreamEntry } from '../../stream/entry.ts';
import { compareOffsets, isAfter, type StreamOffset, timeOfOffset } from '../../stream/offset.ts';
import type { Position } from '../position.ts';
import type { LocalNamespaces } from './namespaces.ts';
import type { Outbox } from './outbox.ts';

/** What comes in the order of the log: an entry, or the word that everything for this worker up to an id has come. */
export type Item = ParsedEntry | { readonly kind: 'passed'; readonly id: StreamOffset };

export type DeliveryGap = 'trimmed' | 'rewound' | 'sequence' | 'epoch' | 'late_start';

/** Changes of sessions that must be saved before anything more is delivered. */
export interface Barrier {
	/** Undefined: there are none. */
	barrier(): Promise<void> | undefined;
	/** Redis does not take them now, and clients are not kept waiting for that. */
	giveUpBarrier(): void;
}

export interface DispatcherDeps {
	readonly config: Config;
	readonly metrics: Metrics;
	readonly position: Position;
	readonly namespaces: LocalNamespaces;
	readonly outbox: Outbox;
	/** Entries are lost for this worker: its clients have a hole in what they saw. */
	onGap(reason: DeliveryGap, cursor: StreamOffset): void;
}

export class Dispatcher implements Closable {
	readonly #deps: DispatcherDeps;
	#queue: Item[] = [];
	/** Entries after this one wait; undefined: none do. */
	#limit: StreamOffset | undefined;
	#barrier: Barrier | undefined;
	/** Every entry of the log comes by here, so that a hole in a publisher's sequence is a loss. */
	#seesAll = false;
	#pumping = false;
	#closed = false;

	constructor(deps: DispatcherDeps) {
		this.#deps = deps;
	}

	setBarrier(barrier: Barrier): void {
		this.#barrier = barrier;
	}

	/**
	 * Entries come another way from now on, from behind the cursor: those that wait come again, with what belongs between them. `seesAll`: the
	 * log is followed; else only what concerns this worker comes.
	 */
	follow(seesAll: boolean): void {
		this.#queue = [];
		this.#seesAll = seesAll;
		this.#deps.position.sequences.clear();
	}

	/** Where to begin: entries up to `cursor` are none of ours. */
	begin(cursor: StreamOffset): void {
		this.#deps.position.moveTo(cursor);
		this.#deps.outbox.forgetPublished();
	}

	/** Takes what follows in the order of the log; what was dispatched already is ignored. */
	receive(items: readonly Item[]): void {
		if (this.#closed) {
			return;
		}
		for (const item of items) {
			this.#deps.position.hear(idOf(item));
			this.#queue.push(item);
		}
		this.#pump();
	}

	/** Takes entries that were read besides what was pushed, in any order, each before those that waited with a higher id. */
	merge(entries: readonly ParsedEntry[]): void {
		this.#queue = [...this.#queue, ...entries].sort(compareItems);
	}

	/** Holds entries after `limit` back, or none. */
	hold(limit: StreamOffset | undefined): void {
		this.#limit = limit;
		this.#pump();
	}

	/** Entries are lost, or the log was set back: goes on after `cursor`. */
	skipTo(reason: DeliveryGap, cursor: StreamOffset): void {
		const { position, outbox, onGap } = this.#deps;
		this.#queue = [];
		if (reason === 'rewound' || reason === 'epoch' || position.cursor === undefined || isAfter(cursor, position.cursor)) {
			position.moveTo(cursor);
		}
		position.sequences.clear();
		outbox.forgetPublished();
		onGap(reason, position.cursor ?? cursor);
	}

	close(): void {
		this.#closed = true;
		this.#queue = [];
	}

	/** Runs in one go unless something must be waited for. What is dispatched may lead to a hold, or to a gap, at once. */
	#pump(): void {
		if (this.#pumping || this.#queue.length === 0) {
			return;
		}
		this.#pumping = true;
		const before = this.#deps.position.cursor;
		let queue = this.#queue;
		let index = 0;
		let barrier: Promise<void> | undefined;
		while (index < queue.length && !this.#isHeld(queue[index])) {
			barrier = this.#barrier?.barrier();
			if (barrier) {
				break;
			}
			this.#dispatch(queue[index]);
			index++;
			if (queue !== this.#queue) {
				queue = this.#queue;
				index = 0;
			}
		}
		this.#queue = queue.slice(index);
		this.#pumping = false;
		this.#report(before);
		if (barrier) {
			void this.#goOnAfter(barrier);
		}
	}

	#isHeld(item: Item | undefined): boolean {
		return item === undefined || (this.#limit !== undefined && isAfter(idOf(item), this.#limit));
	}

	#report(before: StreamOffset | undefined): void {
		const { cursor } = this.#deps.position;
		this.#deps.namespaces.counters.tell();
		if (cursor !== undefined && cursor !== before) {
			this.#deps.metrics.set('socketfleet_stream_lag_seconds', {}, Math.max(0, (Date.now() - timeOfOffset(cursor)) / 1000));
		}
	}

	async #goOnAfter(barrier: Promise<void>): Promise<void> {
		this.#pumping = true;
		const stop = new AbortController();
		const isSaved = await Promise.race([
			barrier.then(() => true),
			sleep(this.#deps.config.publishTimeoutMs, stop.signal).then(() => false),
		]);
		stop.abort();
		if (!isSaved) {
			this.#barrier?.giveUpBarrier();
		}
		this.#pumping = false;
		this.#pump();
	}

	#dispatch(item: Item | undefined): void {
		const { position, namespaces, outbox } = this.#deps;
		if (item === undefined) {
			return;
		}
		const id = idOf(item);
		if (!position.advance(id)) {
			return;
		}
		if (item.kind === 'malformed') {
			namespaces.counters.quarantine(id, item.reason);
		} else if (item.kind === 'entry') {
			position.dispatch(() => this.#deliver(item.entry));
		}
		outbox.passTo(id);
	}

	#deliver(entry: StreamEntry): void {
		const { position, namespaces, outbox } = this.#deps;
		const { mark } = entry;
		if (mark === undefined) {
			namespaces.tell(entry);
			namespaces.deliver(entry);
			return;
		}
		const order = position.sequences.check(mark, (missing) => outbox.hasGivenUp(missing));
		if (order === 'duplicate') {
			namespaces.counters.drop('duplicate');
			return;
		}
		if (order === 'gap' && this.#seesAll) {
			this.#deps.onGap('sequence', entry.id);
		}
		namespaces.tell(entry);
		if (outbox.arrive(entry.nsp, mark)) {
			namespaces.counters.drop('echo');
			return;
		}
		if (entry.type === MESSAGES_LOST && outbox.isOfThisPod(mark)) {
			// The clients of this pod were given those messages without the log.
			return;
		}
		namespaces.deliver(entry);
	}
}

/** An entry goes before the word that everything up to it has come: of two with one id the second is ignored. */
function compareItems(a: Item, b: Item): number {
	return compareOffsets(idOf(a), idOf(b)) || Number(a.kind === 'passed') - Number(b.kind === 'passed');
}
