/**
 * What one client missed: walks the entries since its offset, with the rooms it was in at each of them. Joins, leaves and kicks that
 * were published while it was away take effect, as they would have on a connected client.
 */
import { decodeEntry, type EntryTarget, type EventPacket, type StreamEntry } from '../../stream/entry.ts';
import { isAfter, type StreamOffset } from '../../stream/offset.ts';
import { EVENT_PACKET } from '../../stream/protocol.ts';
import { SequenceTracker } from '../sequence-tracker.ts';
import type { Room, RoomStay, SessionRecord } from '../sessions/record.ts';

export interface MissedPacket {
	readonly id: StreamOffset;
	readonly data: readonly unknown[];
}

/** `lost`: messages for it were given up before Redis took them. */
export type ReplayState = 'ok' | 'kicked' | 'too_much' | 'lost';

export class Replay {
	readonly #record: SessionRecord;
	readonly #maxBytes: number;
	readonly #stays = new Map<Room, RoomStay[]>();
	readonly #missed: MissedPacket[] = [];
	/** An entry that was written twice, since the first answer said that it was refused, is one message. */
	readonly #sequences = new SequenceTracker();
	#bytes = 0;
	#position: StreamOffset;
	#state: ReplayState = 'ok';
	#hasMoved = false;

	/** `offset`: entries after it are of interest. */
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

	get missed(): readonly MissedPacket[] {
		return this.#missed;
	}

	get stays(): readonly RoomStay[] {
		return [...this.#stays.values()].flat();
	}

	/** It was taken into a room or out of one while it was away. */
	get hasMoved(): boolean {
		return this.#hasMoved;
	}

	/** Every room that it was in at some time. */
	get rooms(): readonly Room[] {
		return [...this.#stays.keys()];
	}

	/** The next entry; one that was fed before, or is older than another, is ignored. */
	feed(entry: StreamEntry): void {
		if (this.#state !== 'ok' || !isAfter(entry.id, this.#position)) {
			return;
		}
		this.#position = entry.id;
		if (entry.nsp !== this.#record.nsp || (entry.mark !== undefined && this.#sequences.check(entry.mark) === 'duplicate')) {
			return;
		}
		const message = decodeEntry(entry);
		if (message.kind === 'malformed' || message.kind === 'other' || !this.#isTarget(message.target, entry.id)) {
			return;
		}
		if (message.kind === 'broadcast') {
			this.#onBroadcast(entry, message.packet, message.target);
		} else if (message.kind === 'lost') {
			this.#state = 'lost';
		} else if (isAfter(entry.id, this.#record.at)) {
			// Older ones had their effect on the client itself, and are in its record.
			this.#onMembership(message, entry.id);
		}
	}

	#onBroadcast(entry: StreamEntry, packet: EventPacket, { flags }: EntryTarget): void {
		// One that wants an answer cannot be answered any more; a volatile one is for those who are there.
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
				this.#hasMoved = true;
			} else if (message.kind === 'leave' && current !== undefined) {
				stays[index] = { ...current, to: id };
				this.#hasMoved = true;
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
