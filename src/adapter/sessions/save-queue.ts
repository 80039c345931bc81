/** Sessions that wait to be saved: those that delivery waits for go first, those that were never saved last. */
import type { LiveSession } from './live-session.ts';
import { UrgentChanges } from './urgent-changes.ts';
import { takeFirst } from './writer.ts';

export class SaveQueue {
	/** Redis has them, and not as they are now. */
	readonly #changed = new Set<LiveSession>();
	/** Of them, those whose rooms have changed: nothing that depends on it is delivered before that has been saved. */
	readonly #urgent = new UrgentChanges<LiveSession>();
	/** Their clients were sent an offset a moment ago. Can be as many as there are. */
	readonly #new = new Set<LiveSession>();

	get isEmpty(): boolean {
		return this.#changed.size + this.#new.size === 0;
	}

	get hasUrgent(): boolean {
		return !this.#urgent.isEmpty;
	}

	addNew(session: LiveSession): void {
		this.#new.add(session);
	}

	/** One that Redis does not have is not added: what it is by then goes with its first save. */
	addChanged(session: LiveSession): void {
		if (session.isStored) {
			this.#changed.add(session);
		}
	}

	addUrgent(session: LiveSession): void {
		this.#changed.add(session);
		this.#urgent.add(session);
	}

	/** Takes out up to `limit`; those that are new only `withNew`. */
	take(limit: number, withNew: boolean): { readonly changed: readonly LiveSession[]; readonly fresh: readonly LiveSession[] } {
		const changed = takeFirst(this.#urgent.items, limit).filter((session) => this.#changed.delete(session));
		for (const session of takeFirst(this.#changed, limit - changed.length)) {
			this.#changed.delete(session);
			changed.push(session);
		}
		const fresh = withNew ? takeFirst(this.#new, limit - changed.length) : [];
		for (const session of fresh) {
			this.#new.delete(session);
		}
		return { changed, fresh };
	}

	/** It has been saved. A join during the write changed it again: it stays urgent until the next one. */
	settle(session: LiveSession): void {
		if (!this.#changed.has(session)) {
			this.#urgent.settle(session);
		}
	}

	delete(session: LiveSession): void {
		this.#changed.delete(session);
		this.#new.delete(session);
		this.#urgent.settle(session);
	}

	clear(): void {
		this.#changed.clear();
		this.#new.clear();
		this.#urgent.clear();
	}

	/** Nobody waits for any of them any longer: they can't be saved now. */
	giveUpUrgent(): void {
		this.#urgent.clear();
	}

	/** Resolves when none is urgent any more. */
	whenCalm(): Promise<void> {
		return this.#urgent.whenEmpty();
	}
}
