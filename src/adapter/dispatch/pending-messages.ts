/** Messages that this pod has published and that have not come back from the log yet, oldest first. */
import { type EntryFields, formatMark, type PublisherMark } from '../../stream/entry.ts';
import { isAfter, type StreamOffset } from '../../stream/offset.ts';
import { OUTBOX_MAX_AGE_MS } from '../../stream/publisher.ts';

export interface LocalMessage {
	readonly mark: PublisherMark;
	readonly fields: EntryFields;
	/** Where it is on the log; undefined while it is not there. */
	readonly id: StreamOffset | undefined;
}

/** Where on the log a message is that siblings were given without it. */
export interface Settlement {
	readonly mark: PublisherMark;
	readonly id: StreamOffset;
}

interface Pending extends LocalMessage {
	id: StreamOffset | undefined;
	/** When Redis acknowledged it. */
	publishedAt: number;
}

interface GivenUp {
	readonly mark: PublisherMark;
	readonly nsp: string;
	readonly at: number;
	/** Where it is on the log; undefined while that is not known. */
	id: StreamOffset | undefined;
	/** It cannot turn up any more. It is remembered, since its sequence is missing and that is no loss here. */
	isSettled: boolean;
}

/** `echo`: it was delivered here without the log before. */
export type Arrival = 'expected' | 'echo' | 'foreign';

const MAX_GIVEN_UP = 100_000;
/** A sibling that is further behind than this is not kept in order while Redis is away. */
const MAX_RECENT = 10_000;
/** Acknowledged, and still not passed by the cursor: reading is held up, and local clients need not wait for it. */
const ECHO_TIMEOUT_MS = 2000;
/** By then the publisher has given it up, or it has been read. */
const SETTLED_AFTER_MS = OUTBOX_MAX_AGE_MS + 10_000;

export class PendingMessages {
	/** By sequence. All are of one publisher, which is this worker's. */
	readonly #pending = new Map<number, Pending>();
	#publisher: string | undefined;
	/** Own messages that the cursor has passed, in the order of their sequences, for as long as a sibling may not have come so far. */
	#recent: Pending[] = [];
	/** Delivered here without the log, oldest first: they may turn up on it all the same. */
	readonly #givenUp = new Map<string, GivenUp>();
	/** How many of them may still turn up, by namespace. */
	readonly #outside = new Map<string, number>();

	add(mark: PublisherMark, fields: EntryFields): void {
		this.#publisher = mark.publisher;
		this.#pending.set(mark.sequence, { mark, fields, id: undefined, publishedAt: 0 });
	}

	/** True when it was delivered in this pod without the log: those who have it want to know where it is. */
	onPublished(mark: PublisherMark, id: StreamOffset): boolean {
		const pending = this.#pending.get(mark.sequence);
		if (pending) {
			pending.id = id;
			pending.publishedAt = performance.now();
			return false;
		}
		return this.onSettlement({ mark, id });
	}

	/** A message that was delivered here without the log is there now. False when it was not. */
	onSettlement({ mark, id }: Settlement): boolean {
		const given = this.#givenUp.get(formatMark(mark));
		if (given) {
			given.id = id;
		}
		return given !== undefined;
	}

	onArrival(mark: PublisherMark): Arrival {
		const pending = this.#isOwn(mark.publisher) ? this.#pending.get(mark.sequence) : undefined;
		if (pending) {
			this.#pass(pending);
			return 'expected';
		}
		if (this.#givenUp.size === 0) {
			return 'foreign';
		}
		const key = formatMark(mark);
		const given = this.#givenUp.get(key);
		if (given === undefined) {
			return 'foreign';
		}
		this.#settle(given);
		this.#givenUp.delete(key);
		return 'echo';
	}

	/** Those up to `cursor` that have not come were for nobody here. */
	passTo(cursor: StreamOffset): void {
		for (const pending of this.#pending.values()) {
			if (pending.id === undefined || isAfter(pending.id, cursor)) {
				break;
			}
			this.#pass(pending);
		}
	}

	/** Own messages that a sibling may not have, oldest first. */
	get recent(): readonly LocalMessage[] {
		return this.#recent;
	}

	/** All siblings have come to `cursor`; undefined: there are none. */
	forgetRecent(cursor: StreamOffset | undefined): void {
		const kept = cursor === undefined ? -1 : this.#recent.findIndex(({ id }) => id === undefined || isAfter(id, cursor));
		this.#recent = kept === -1 ? [] : this.#recent.slice(kept);
	}

	/** Whether clients of that namespace here are ahead of the log: a message that they had without it may still turn up there. */
	isOutside(nsp: string): boolean {
		return this.#outside.has(nsp);
	}

	/** Whether that message was delivered here without the log. */
	hasGivenUp(mark: PublisherMark): boolean {
		return this.#givenUp.has(formatMark(mark));
	}

	/** Gives up that message and all before it, so that the order of one sender holds without the log, too. */
	giveUpTo(mark: PublisherMark): LocalMessage[] {
		const given: LocalMessage[] = [];
		if (this.#pending.has(mark.sequence)) {
			for (const [sequence, message] of this.#pending) {
				this.giveUp(message);
				given.push(message);
				if (sequence === mark.sequence) {
					break;
				}
			}
		}
		return given;
	}

	/** The cursor jumps over entries that nobody will read: whoever waits for one of them is told another way. */
	forgetPublished(): void {
		for (const [key, { id }] of this.#pending) {
			if (id !== undefined) {
				this.#pending.delete(key);
			}
		}
	}

	/** Gives up what was acknowledged too long ago. */
	giveUpOverdue(): LocalMessage[] {
		const threshold = performance.now() - ECHO_TIMEOUT_MS;
		const given: LocalMessage[] = [];
		for (const message of this.#pending.values()) {
			if (message.id === undefined || message.publishedAt > threshold) {
				break;
			}
			this.giveUp(message);
			given.push(message);
		}
		return given;
	}

	/** It is delivered without the log, here or by a sibling: should it turn up there, it is an echo. */
	giveUp({ mark, fields: { nsp }, id }: LocalMessage): void {
		if (this.#isOwn(mark.publisher)) {
			this.#pending.delete(mark.sequence);
		}
		this.#givenUp.set(formatMark(mark), { mark, nsp, at: performance.now(), id, isSettled: false });
		this.#outside.set(nsp, (this.#outside.get(nsp) ?? 0) + 1);
		if (this.#givenUp.size > MAX_GIVEN_UP) {
			const [oldest] = this.#givenUp;
			if (oldest) {
				this.#settle(oldest[1]);
				this.#givenUp.delete(oldest[0]);
			}
		}
	}

	/** The namespaces whose last outstanding message the cursor has passed, or is too old to turn up. */
	settle(cursor: StreamOffset | undefined): string[] {
		const before = [...this.#outside.keys()];
		const threshold = performance.now() - SETTLED_AFTER_MS;
		for (const given of before.length === 0 ? [] : this.#givenUp.values()) {
			if (given.at <= threshold || (given.id !== undefined && cursor !== undefined && !isAfter(given.id, cursor))) {
				this.#settle(given);
			}
		}
		return before.filter((nsp) => !this.#outside.has(nsp));
	}

	#pass(pending: Pending): void {
		this.#pending.delete(pending.mark.sequence);
		// One for rooms that are elsewhere passes when the cursor does, perhaps after a later one that has come.
		let at = this.#recent.length;
		while (at > 0 && (this.#recent[at - 1]?.mark.sequence ?? 0) > pending.mark.sequence) {
			at--;
		}
		this.#recent.splice(at, 0, pending);
		if (this.#recent.length > MAX_RECENT) {
			this.#recent = this.#recent.slice(MAX_RECENT / 2);
		}
	}

	#isOwn(publisher: string): boolean {
		return publisher === this.#publisher;
	}

	#settle(given: GivenUp): void {
		if (given.isSettled) {
			return;
		}
		given.isSettled = true;
		const left = (this.#outside.get(given.nsp) ?? 1) - 1;
		if (left === 0) {
			this.#outside.delete(given.nsp);
		} else {
			this.#outside.set(given.nsp, left);
		}
	}
}
