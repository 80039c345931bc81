/** The namespaces that this worker has: takes messages for them, and counts those that are for nobody here or make no sense. Knows no order. */
import type { Logger } from '../../base/log.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { decodeEntry, type EntryFields, type EntryMessage, type StreamEntry } from '../../stream/entry.ts';
import type { Room } from '../sessions/record.ts';
import { EntryCounters } from './entry-counters.ts';

/** A namespace of this worker. */
export interface LocalNamespace {
	readonly rooms: { has(room: Room): boolean; keys(): Iterable<Room> };
	/** `offset` is what clients will come back with: the entry's id, or something that recovery refuses. */
	deliver(message: EntryMessage, offset: string): void;
}

/** Is handed what was missed by a client that is coming back, and may be for it. */
export type Listener = (entry: StreamEntry) => void;

export class LocalNamespaces {
	readonly counters: EntryCounters;
	readonly #namespaces = new Map<string, LocalNamespace>();
	readonly #listeners = new Map<string, Set<Listener>>();
	readonly #log: Logger;

	constructor(metrics: Metrics, log: Logger) {
		this.counters = new EntryCounters(metrics, log);
		this.#log = log;
	}

	add(name: string, namespace: LocalNamespace): void {
		this.#namespaces.set(name, namespace);
	}

	remove(name: string): void {
		this.#namespaces.delete(name);
	}

	has(name: string): boolean {
		return this.#namespaces.has(name);
	}

	/** Calls `listener` with each entry of a namespace as its turn comes, whomever it is for. The answer ends that. */
	listen(name: string, listener: Listener): () => void {
		const listeners = this.#listeners.get(name) ?? new Set();
		this.#listeners.set(name, listeners.add(listener));
		return () => {
			if (listeners.delete(listener) && listeners.size === 0) {
				this.#listeners.delete(name);
			}
		};
	}

	/** Hands the entry to who listens for clients that are coming back. */
	tell(entry: StreamEntry): void {
		for (const listener of this.#listeners.get(entry.nsp) ?? []) {
			listener(entry);
		}
	}

	deliver(entry: StreamEntry): void {
		const obstacle = this.#obstacleOf(entry);
		if (obstacle !== undefined) {
			this.counters.drop(obstacle);
			return;
		}
		const message = decodeEntry(entry);
		if (message.kind === 'malformed') {
			this.counters.quarantine(entry.id, message.reason);
			return;
		}
		this.#hand(entry.nsp, message, entry.id);
	}

	/** Delivers what the log does not have yet. */
	deliverOutside(fields: EntryFields, offset: string): void {
		const message = decodeEntry(fields);
		if (message.kind !== 'malformed') {
			this.#hand(fields.nsp, message, offset);
		}
	}

	#obstacleOf({ nsp, rooms }: StreamEntry): 'no_namespace' | 'no_room' | undefined {
		const namespace = this.#namespaces.get(nsp);
		if (namespace === undefined) {
			return 'no_namespace';
		}
		return rooms !== undefined && !rooms.some((room) => namespace.rooms.has(room)) ? 'no_room' : undefined;
	}

	/** What an application's listener throws must not stop the delivery. */
	#hand(nsp: string, message: EntryMessage, offset: string): void {
		try {
			this.#namespaces.get(nsp)?.deliver(message, offset);
		} catch (error) {
			this.counters.drop('failed');
			this.#log.error({ err: error, offset }, 'delivering a message failed');
		}
	}
}
