/**
 * The newest entries of a log that many workers write, as a mergeable value: the same entries win everywhere, in the same order.
 * Pure but for the clock.
 */
import { createHash } from 'node:crypto';
import type { Mergeable } from './replica.ts';

export interface LogEntry {
	/** Unique in the fleet. */
	readonly id: string;
	/** From `tick()`: Unix time in ms, except that it never runs behind an entry already seen. */
	readonly at: number;
}

export interface LogState<T> {
	/** Entries up to this time were cleared. */
	readonly clearedAt: number;
	readonly entries: readonly T[];
}

export class BoundedLog<T extends LogEntry> implements Mergeable<LogState<T>> {
	readonly #limit: number;
	readonly #onMerge: (fresh: readonly T[], cleared: boolean) => void;
	readonly #now: () => number;
	readonly #ids = new Set<string>();
	#entries: T[] = [];
	#clearedAt = 0;
	#latest = 0;

	/** `onMerge` hears what came from other workers and was new. */
	constructor(limit: number, onMerge: (fresh: readonly T[], cleared: boolean) => void, now: () => number = Date.now) {
		this.#limit = limit;
		this.#onMerge = onMerge;
		this.#now = now;
	}

	/** A time for the next entry: later than all that is known here, whatever the clocks of the pods say. */
	tick(): number {
		this.#latest = Math.max(this.#now(), this.#latest + 1);
		return this.#latest;
	}

	/** Adds one entry that was made here; the result is what to share. */
	add(entry: T): LogState<T> {
		this.#insert(entry);
		return { clearedAt: this.#clearedAt, entries: [entry] };
	}

	/** Forgets all entries; the result is what to share. */
	clear(): LogState<T> {
		this.#clearTo(this.tick());
		return { clearedAt: this.#clearedAt, entries: [] };
	}

	entries(): readonly T[] {
		return this.#entries;
	}

	state(): LogState<T> {
		return { clearedAt: this.#clearedAt, entries: this.#entries };
	}

	digest(): string {
		const ids = this.#entries.map(({ id }) => id).join(' ');
		return createHash('sha1').update(`${this.#clearedAt} ${ids}`).digest('base64');
	}

	merge(state: LogState<T>): void {
		const cleared = this.#clearTo(state.clearedAt);
		const fresh = state.entries.filter((entry) => this.#insert(entry));
		if (cleared || fresh.length > 0) {
			this.#onMerge(fresh, cleared);
		}
	}

	#clearTo(time: number): boolean {
		if (time <= this.#clearedAt) {
			return false;
		}
		this.#clearedAt = time;
		this.#latest = Math.max(this.#latest, time);
		this.#entries = this.#entries.filter((entry) => entry.at > time);
		this.#ids.clear();
		for (const { id } of this.#entries) {
			this.#ids.add(id);
		}
		return true;
	}

	/** Whether the entry was new and is among the newest. */
	#insert(entry: T): boolean {
		this.#latest = Math.max(this.#latest, entry.at);
		if (entry.at <= this.#clearedAt || this.#ids.has(entry.id)) {
			return false;
		}
		const before = this.#entries.findLastIndex((other) => other.at < entry.at || (other.at === entry.at && other.id < entry.id));
		this.#entries.splice(before + 1, 0, entry);
		this.#ids.add(entry.id);
		if (this.#entries.length > this.#limit) {
			const oldest = this.#entries.shift();
			this.#ids.delete(oldest?.id ?? '');
			return oldest !== entry;
		}
		return true;
	}
}
