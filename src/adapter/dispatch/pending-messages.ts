/** Messages that this pod has published and that have not come back from the stream yet, oldest first. */

import { type EntryFields, formatMark, type PublisherMark } from '../../stream/entry.ts';
import { OUTBOX_MAX_AGE_MS } from '../../stream/publisher.ts';

export interface LocalMessage {
	readonly mark: PublisherMark;
	readonly fields: EntryFields;
}

interface Pending extends LocalMessage {
	/** When Redis acknowledged it; undefined while it has not. */
	publishedAt: number | undefined;
}

interface GivenUp {
	readonly mark: PublisherMark;
	readonly nsp: string;
	readonly at: number;
	/** Too old to turn up any more. It is remembered, since its sequence is missing and that is no loss here. */
	isSettled: boolean;
}

/** `echo`: it was delivered here without the stream before. */
export type Arrival = 'expected' | 'echo' | 'foreign';

const MAX_GIVEN_UP = 100_000;
/** Acknowledged, and still not back from the stream: reading is held up, and local clients need not wait for it. */
const ECHO_TIMEOUT_MS = 2000;
/** By then the publisher has given it up, or the reader has brought it. */
const SETTLED_AFTER_MS = OUTBOX_MAX_AGE_MS + 10_000;

export class PendingMessages {
	/** By sequence. All are of one publisher, which is this worker's. */
	readonly #pending = new Map<number, Pending>();
	#publisher: string | undefined;
	/** Delivered here without the stream, oldest first: they may turn up on it all the same. */
	readonly #givenUp = new Map<string, GivenUp>();
	/** How many of them may still turn up, by namespace. */
	readonly #outside = new Map<string, number>();

	add(mark: PublisherMark, fields: EntryFields): void {
		this.#publisher = mark.publisher;
		this.#pending.set(mark.sequence, { mark, fields, publishedAt: undefined });
	}

	/** Whether that publisher's messages are waited for here. */
	isOwn(publisher: string): boolean {
		return publisher === this.#publisher;
	}

	onPublished(mark: PublisherMark): void {
		const pending = this.#pending.get(mark.sequence);
		if (pending) {
			pending.publishedAt = performance.now();
		}
	}

	onArrival(mark: PublisherMark): Arrival {
		if (this.isOwn(mark.publisher) && this.#pending.delete(mark.sequence)) {
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

	/** Whether any message that was delivered here without the stream may still turn up on it. */
	get hasOutside(): boolean {
		return this.#outside.size > 0;
	}

	/** The same of one namespace: its clients here are ahead of the stream. */
	isOutside(nsp: string): boolean {
		return this.#outside.has(nsp);
	}

	/** Whether that message was delivered here without the stream. */
	hasGivenUp(mark: PublisherMark): boolean {
		return this.#givenUp.has(formatMark(mark));
	}

	/** Gives up that message and all before it, so that the order of one sender holds without the stream, too. */
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

	/**
	 * Those before that one that have not come back. They are on the stream before it, so that they never will: the reader began, or went on
	 * after a gap, behind them. They are no echoes to wait for.
	 */
	passedOverBy(mark: PublisherMark): LocalMessage[] {
		const passed: LocalMessage[] = [];
		if (this.isOwn(mark.publisher) && this.#pending.has(mark.sequence)) {
			for (const [sequence, message] of this.#pending) {
				if (sequence === mark.sequence) {
					break;
				}
				this.#pending.delete(sequence);
				passed.push(message);
			}
		}
		return passed;
	}

	/** Whether own messages before that one have not come back. */
	isWaitingBefore({ publisher, sequence }: PublisherMark): boolean {
		const [oldest] = this.#pending.keys();
		return oldest !== undefined && oldest < sequence && this.isOwn(publisher);
	}

	/** The reader begins, or goes on after a gap: what Redis has may lie before that. If it comes all the same, it is as good as another's. */
	forgetPublished(): void {
		for (const [key, { publishedAt }] of this.#pending) {
			if (publishedAt !== undefined) {
				this.#pending.delete(key);
			}
		}
	}

	/** Gives up what was acknowledged too long ago. */
	giveUpOverdue(): LocalMessage[] {
		const threshold = performance.now() - ECHO_TIMEOUT_MS;
		const given: LocalMessage[] = [];
		for (const message of this.#pending.values()) {
			if (message.publishedAt === undefined || message.publishedAt > threshold) {
				break;
			}
			this.giveUp(message);
			given.push(message);
		}
		return given;
	}

	/** It is delivered without the stream, here or by a sibling: should it turn up there, it is an echo. */
	giveUp({ mark, fields: { nsp } }: LocalMessage): void {
		const key = formatMark(mark);
		if (this.isOwn(mark.publisher)) {
			this.#pending.delete(mark.sequence);
		}
		this.#givenUp.set(key, { mark, nsp, at: performance.now(), isSettled: false });
		this.#outside.set(nsp, (this.#outside.get(nsp) ?? 0) + 1);
		if (this.#givenUp.size > MAX_GIVEN_UP) {
			const [oldest] = this.#givenUp;
			if (oldest) {
				this.#settle(oldest[1]);
				this.#givenUp.delete(oldest[0]);
			}
		}
	}

	/** The namespaces whose last outstanding message is too old to turn up. */
	settleOld(): string[] {
		const threshold = performance.now() - SETTLED_AFTER_MS;
		return this.#settleAll(({ at }) => at <= threshold);
	}

	/** The same: a later one of its publisher has come, and the stream is in their order. */
	settleBefore({ publisher, sequence }: PublisherMark): string[] {
		return this.#settleAll(({ mark }) => mark.publisher === publisher && mark.sequence < sequence);
	}

	#settleAll(canNotCome: (given: GivenUp) => boolean): string[] {
		const before = [...this.#outside.keys()];
		for (const given of before.length === 0 ? [] : this.#givenUp.values()) {
			if (canNotCome(given)) {
				this.#settle(given);
			}
		}
		return before.filter((nsp) => !this.#outside.has(nsp));
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
