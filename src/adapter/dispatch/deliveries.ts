/** Gives messages to the namespaces of this worker, and counts those that are for nobody here or make no sense. Knows no order. */
import type { Logger } from '../../base/log.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { decodeEntry, type EntryFields, type EntryMessage, type StreamEntry } from '../../stream/entry.ts';
import type { Room } from '../sessions/record.ts';
import { EntryCounters } from './entry-counters.ts';

/** A namespace of this worker. */
export interface HubNamespace {
	readonly rooms: { has(room: Room): boolean; keys(): Iterable<Room> };
	/** `offset` is what clients will come back with: the entry's id, or something that recovery refuses. */
	deliver(message: EntryMessage, offset: string): void;
}

export class Deliveries {
	readonly counters: EntryCounters;
	readonly namespaces = new Map<string, HubNamespace>();
	readonly #log: Logger;

	constructor(metrics: Metrics, log: Logger) {
		this.counters = new EntryCounters(metrics, log);
		this.#log = log;
	}

	/** Whether the entry is for someone here. */
	isConcerned(entry: StreamEntry): boolean {
		return this.#obstacleOf(entry) === undefined;
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

	/** Without the stream. */
	deliverOutside(fields: EntryFields, offset: string): void {
		const message = decodeEntry(fields);
		if (message.kind !== 'malformed') {
			this.#hand(fields.nsp, message, offset);
		}
	}

	#obstacleOf({ nsp, rooms }: StreamEntry): 'no_namespace' | 'no_room' | undefined {
		const namespace = this.namespaces.get(nsp);
		if (namespace === undefined) {
			return 'no_namespace';
		}
		return rooms !== undefined && !rooms.some((room) => namespace.rooms.has(room)) ? 'no_room' : undefined;
	}

	/** What an application's listener throws must not stop the stream. */
	#hand(nsp: string, message: EntryMessage, offset: string): void {
		try {
			this.namespaces.get(nsp)?.deliver(message, offset);
		} catch (error) {
			this.counters.drop('failed');
			this.#log.error({ err: error, offset }, 'delivering a message failed');
		}
	}
}
