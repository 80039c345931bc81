/** Where this worker is in the log. The dispatcher writes; everyone else reads. */
import { isAfter, STREAM_START, type StreamOffset } from '../stream/offset.ts';
import { SequenceTracker } from './sequence-tracker.ts';

export class Position {
	/** What has been seen of each publisher. */
	readonly sequences = new SequenceTracker();
	#cursor: StreamOffset | undefined;
	#known: StreamOffset = STREAM_START;
	#isDispatching = false;

	/** The last entry that was dispatched, or that concerned nobody here; undefined before the first answer of Redis. */
	get cursor(): StreamOffset | undefined {
		return this.#cursor;
	}

	/** The highest id that this worker has heard of, whether or not its turn has come. */
	get known(): StreamOffset {
		return this.#cursor === undefined || isAfter(this.#known, this.#cursor) ? this.#known : this.#cursor;
	}

	/**
	 * The first message that a room joined now is owed follows this one: the highest known id, or, while an entry is dispatched, that entry,
	 * which may be the reason of the join.
	 */
	get joinedAt(): StreamOffset {
		return this.#isDispatching ? (this.#cursor ?? STREAM_START) : this.known;
	}

	/** It has been heard of. */
	hear(id: StreamOffset): void {
		if (isAfter(id, this.#known)) {
			this.#known = id;
		}
	}

	/** False when that was passed before. */
	advance(id: StreamOffset): boolean {
		if (this.#cursor !== undefined && !isAfter(id, this.#cursor)) {
			return false;
		}
		this.#cursor = id;
		return true;
	}

	/** Runs `work`, which dispatches the entry at the cursor. */
	dispatch(work: () => void): void {
		this.#isDispatching = true;
		try {
			work();
		} finally {
			this.#isDispatching = false;
		}
	}

	/** Goes on after `cursor`, be it further on or further back: the log was set back, or entries are lost. */
	moveTo(cursor: StreamOffset): void {
		this.#cursor = cursor;
		this.#known = cursor;
		this.sequences.clear();
	}
}
