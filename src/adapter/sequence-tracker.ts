/** Each publisher numbers its entries without a hole: one that comes again is a duplicate, one that does not come is lost. */
import type { PublisherMark } from '../stream/entry.ts';

const MAX_PUBLISHERS = 10_000;

export class SequenceTracker {
	readonly #last = new Map<string, number>();

	/** The first entry of a publisher that is seen here may have any number. `explained`: each one that is missing `isExplained`. */
	check(
		{ publisher, sequence }: PublisherMark,
		isExplained: (missing: PublisherMark) => boolean = () => false,
	): 'next' | 'duplicate' | 'gap' | 'explained' {
		const last = this.#last.get(publisher);
		if (last !== undefined && sequence <= last) {
			return 'duplicate';
		}
		this.#advance({ publisher, sequence });
		if (last === undefined || sequence === last + 1) {
			return 'next';
		}
		for (let missing = last + 1; missing < sequence; missing++) {
			if (!isExplained({ publisher, sequence: missing })) {
				return 'gap';
			}
		}
		return 'explained';
	}

	hasSeen({ publisher, sequence }: PublisherMark): boolean {
		return (this.#last.get(publisher) ?? 0) >= sequence;
	}

	clear(): void {
		this.#last.clear();
	}

	#advance({ publisher, sequence }: PublisherMark): void {
		if (!this.#last.has(publisher) && this.#last.size >= MAX_PUBLISHERS) {
			const [oldest] = this.#last.keys();
			this.#last.delete(oldest ?? '');
		}
		this.#last.set(publisher, sequence);
	}
}
