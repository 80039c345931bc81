/** Messages that this worker has published and that have not come back from the stream yet, oldest first. */
import { type EntryFields, formatMark, type PublisherMark } from '../redis/stream-entry.ts';

export interface LocalMessage {
	readonly mark: PublisherMark;
	readonly fields: EntryFields;
}

interface Pending extends LocalMessage {
	/** When Redis acknowledged it; undefined while it has not. */
	publishedAt: number | undefined;
}

/** `echo`: it was delivered here without the stream before. */
export type Arrival = 'expected' | 'echo' | 'foreign';

const MAX_GIVEN_UP = 100_000;
/** Acknowledged, and still not back from the stream: reading is held up, and local clients need not wait for it. */
const ECHO_TIMEOUT_MS = 2000;

export class PendingMessages {
	readonly #pending = new Map<string, Pending>();
	/** Those that were given up: they may turn up on the stream all the same. */
	readonly #givenUp = new Set<string>();

	add(mark: PublisherMark, fields: EntryFields): void {
		this.#pending.set(formatMark(mark), { mark, fields, publishedAt: undefined });
	}

	onPublished(mark: PublisherMark): void {
		const pending = this.#pending.get(formatMark(mark));
		if (pending) {
			pending.publishedAt = performance.now();
		}
	}

	onArrival(mark: PublisherMark): Arrival {
		const key = formatMark(mark);
		if (this.#pending.delete(key)) {
			return 'expected';
		}
		return this.#givenUp.delete(key) ? 'echo' : 'foreign';
	}

	/** Gives up that message and all before it, so that the order of one sender holds without the stream, too. */
	giveUpTo(mark: PublisherMark): LocalMessage[] {
		const last = formatMark(mark);
		const given: LocalMessage[] = [];
		if (this.#pending.has(last)) {
			for (const [key, message] of this.#pending) {
				this.giveUp(message.mark);
				given.push(message);
				if (key === last) {
					break;
				}
			}
		}
		return given;
	}

	/** Gives up what was acknowledged too long ago. */
	giveUpOverdue(): LocalMessage[] {
		const threshold = performance.now() - ECHO_TIMEOUT_MS;
		const given: LocalMessage[] = [];
		for (const message of this.#pending.values()) {
			if (message.publishedAt === undefined || message.publishedAt > threshold) {
				break;
			}
			this.giveUp(message.mark);
			given.push(message);
		}
		return given;
	}

	/** It is delivered without the stream, here or by a sibling: should it turn up there, it is an echo. */
	giveUp(mark: PublisherMark): void {
		const key = formatMark(mark);
		this.#pending.delete(key);
		this.#givenUp.add(key);
		if (this.#givenUp.size > MAX_GIVEN_UP) {
			// The oldest were published too long ago to turn up any more.
			const [oldest] = this.#givenUp;
			this.#givenUp.delete(oldest ?? '');
		}
	}
}
