/**
 * What one client missed: walks the entries since its offset, with the rooms it was in at each of them. Joins, leaves and kicks that
 * were published while it was away take effect, as they would have on a connected client.
 */
import type { EntryTarget, EventPacket } from '../../stream/entry.ts';
import { isAfter, type StreamOffset } from '../../stream/offset.ts';
import { EVENT_PACKET } from '../../stream/protocol.ts';
import type { Room, RoomStay, SessionRecord } from '../sessions/record.ts';
import { messageOfEntry, type RecentEntries, type RecentEntry } from './recent-entries.ts';

export interface MissedPacket {
	readonly id: StreamOffset;
	readonly data: readonly unknown[];
}

export type ReplayState = 'ok' | 'kicked' | 'too_much' | 'forgotten';

export class Replay {
	readonly #record: SessionRecord;
	readonly #maxBytes: number;
	readonly #stays = new Map<Room, RoomStay[]>();
	readonly #missed: MissedPacket[] = [];
	#bytes = 0;
	#position: StreamOffset;
	#state: ReplayState = 'ok';

	constructor(record: SessionRecord, offset: StreamOffset, maxBytes: number) {
		this.#record = record;
		this.#position = offset;
		this.#maxBytes = maxBytes;
		for (const stay of record.stays) {
			this.#staysOf(stay.room).push(stay);
		}
	}

	get state(): ReplayState {
		return this.#state;
	}

	/** The last entry that has been looked at. */
	get position(): StreamOffset {
		return this.#position;
	}

	get missed(): readonly MissedPacket[] {
		return this.#missed;
	}

	get stays(): readonly RoomStay[] {
		return [...this.#stays.values()].flat();
	}

	/** Goes on up to `cursor`. `forgotten`: entries in between are not at hand any more. */
	advance(recent: RecentEntries, cursor: StreamOffset): ReplayState {
		if (this.#state === 'ok' && isAfter(recent.from, this.#position)) {
			this.#state = 'forgotten';
		}
		while (this.#state === 'ok' && this.#walk(recent.select(this.#record.nsp, this.#stays.keys(), this.#position))) {
			// A room was joined on the way: what was sent to it since must be looked up, too.
		}
		if (this.#state === 'ok') {
			this.skipTo(cursor);
		}
		return this.#state;
	}

	/** Entries that are not kept for others: all of a range, in order. */
	feed(entries: readonly RecentEntry[]): ReplayState {
		for (const entry of entries) {
			if (this.#state === 'ok') {
				this.#look(entry);
			}
		}
		return this.#state;
	}

	/** Nothing up to `position` is still to be looked at. */
	skipTo(position: StreamOffset): void {
		if (isAfter(position, this.#position)) {
			this.#position = position;
		}
	}

	/** True when it stopped because a room was joined. */
	#walk(entries: readonly RecentEntry[]): boolean {
		for (const entry of entries) {
			const known = this.#stays.size;
			this.#look(entry);
			if (this.#state !== 'ok') {
				return false;
			}
			if (this.#stays.size > known) {
				return true;
			}
		}
		return false;
	}

	#look(entry: RecentEntry): void {
		this.#position = entry.id;
		if (entry.nsp !== this.#record.nsp) {
			return;
		}
		const message = messageOfEntry(entry);
		if (message === undefined || message.kind === 'other' || !this.#isTarget(message.target, entry.id)) {
			return;
		}
		if (message.kind === 'broadcast') {
			this.#onBroadcast(entry, message.packet, message.target);
		} else if (isAfter(entry.id, this.#record.at)) {
			// Older ones had their effect on the client itself, and are in its record.
			this.#onMembership(message, entry.id);
		}
	}

	#onBroadcast(entry: RecentEntry, packet: EventPacket, { flags }: EntryTarget): void {
		// One that wants an answer can't be answered any more; a volatile one is for those who are there.
		if (packet.type !== EVENT_PACKET || packet.id !== undefined || flags.volatile === true) {
			return;
		}
		this.#bytes += entry.data.length;
		if (this.#bytes > this.#maxBytes) {
			this.#state = 'too_much';
			return;
		}
		this.#missed.push({ id: entry.id, data: packet.data });
	}

	#onMembership(message: { kind: 'join' | 'leave'; rooms: readonly Room[] } | { kind: 'disconnect' }, id: StreamOffset): void {
		if (message.kind === 'disconnect') {
			this.#state = 'kicked';
			return;
		}
		for (const room of message.rooms) {
			const stays = this.#staysOf(room);
			const index = stays.findIndex(({ to }) => to === undefined);
			const current = stays[index];
			if (message.kind === 'join' && current === undefined) {
				stays.push({ room, from: id, to: undefined });
			} else if (message.kind === 'leave' && current !== undefined) {
				stays[index] = { ...current, to: id };
			}
		}
	}

	#isTarget({ rooms, except }: EntryTarget, id: StreamOffset): boolean {
		const isIncluded = rooms.length === 0 || rooms.some((room) => this.#wasIn(room, id));
		return isIncluded && !except.some((room) => this.#wasIn(room, id));
	}

	#wasIn(room: Room, id: StreamOffset): boolean {
		return this.#stays.get(room)?.some(({ from, to }) => isAfter(id, from) && (to === undefined || !isAfter(id, to))) ?? false;
	}

	#staysOf(room: Room): RoomStay[] {
		let stays = this.#stays.get(room);
		if (stays === undefined) {
			stays = [];
			this.#stays.set(room, stays);
		}
		return stays;
	}
}
