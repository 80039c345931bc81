/** One connected client as its session will be saved. Knows rooms and their history, no Redis. */
import { createHash } from 'node:crypto';
import { isAfter, STREAM_START, type StreamOffset } from '../../stream/offset.ts';
import type { EngineConnection } from '../ending.ts';
import { type DroppedKeyListener, encodeSafely } from '../plain-data.ts';
import { encodeRecord, type Room, type RoomStay, type SessionRecord } from './record.ts';
import type { RoomActivity } from './room-activity.ts';

/** The part of a Socket.IO socket that a session is made of. */
export interface SessionSocket {
	readonly id: string;
	readonly data: unknown;
	readonly conn: EngineConnection;
}

/** Rooms that were left matter only to messages that were on their way; older ones go first. */
const MAX_PAST_STAYS = 64;

export class LiveSession {
	readonly nsp: string;
	readonly pid: string;
	readonly socket: SessionSocket;
	/**
	 * A record of it is in Redis, or on its way: what changes from now on must be saved before the client is sent more. Before that nothing
	 * has to be, whatever the client was sent and joined in one moment: who comes back finds no record, or the first one, and that has all
	 * rooms up to when it was made.
	 */
	isStored = false;
	savedAt = 0;
	readonly #rooms = new Map<Room, StreamOffset>();
	readonly #activity: RoomActivity;
	#past: RoomStay[] = [];
	#dataDigest = '';
	/** What it was sent when it came back is not in this worker's activity. */
	#floor: StreamOffset = STREAM_START;

	constructor(nsp: string, pid: string, socket: SessionSocket, activity: RoomActivity) {
		this.nsp = nsp;
		this.pid = pid;
		this.socket = socket;
		this.#activity = activity;
	}

	get rooms(): Iterable<Room> {
		return this.#rooms.keys();
	}

	/** Takes over the rooms of a session that was restored. */
	adopt(stays: readonly RoomStay[], at: StreamOffset): void {
		this.#floor = at;
		for (const { room, from, to } of stays) {
			if (to === undefined) {
				this.#rooms.set(room, from);
			}
		}
		this.#past = stays.filter(({ to }) => to !== undefined);
		this.isStored = true;
	}

	/** True when it was not in all of them. */
	join(rooms: Iterable<Room>, at: StreamOffset): boolean {
		const before = this.#rooms.size;
		for (const room of rooms) {
			if (!this.#rooms.has(room)) {
				this.#rooms.set(room, at);
			}
		}
		return this.#rooms.size > before;
	}

	/** True when it was in it. */
	leave(room: Room, at: StreamOffset): boolean {
		const from = this.#rooms.get(room);
		if (from === undefined) {
			return false;
		}
		this.#rooms.delete(room);
		this.#past.push({ room, from, to: at });
		if (this.#past.length > MAX_PAST_STAYS) {
			this.#past.shift();
		}
		return true;
	}

	/** Data can be changed at any time without anyone being told: compared now and then. */
	hasNewData(onDropped: DroppedKeyListener): boolean {
		const before = this.#dataDigest;
		this.#dataDigest = digestOf(encodeSafely(this.socket.data, onDropped));
		return this.#dataDigest !== before;
	}

	encode(at: StreamOffset, outsideAt: StreamOffset | undefined, onDropped: DroppedKeyListener): string {
		return encodeRecord(this.#toRecord(at, outsideAt), onDropped);
	}

	#toRecord(at: StreamOffset, outsideAt: StreamOffset | undefined): SessionRecord {
		const stays: RoomStay[] = [...this.#past];
		for (const [room, from] of this.#rooms) {
			stays.push({ room, from, to: undefined });
		}
		return { nsp: this.nsp, sid: this.socket.id, pid: this.pid, stays, data: this.socket.data, at, sentUpTo: this.#sentUpTo(), outsideAt };
	}

	/** A room that was left may have had messages on their way until then. */
	#sentUpTo(): StreamOffset {
		let latest = this.#activity.latestFor(this.#rooms.keys());
		for (const other of [this.#floor, ...this.#past.map(({ to }) => to)]) {
			if (other !== undefined && isAfter(other, latest)) {
				latest = other;
			}
		}
		return latest;
	}
}

const DIGEST_CHARS = 64;

function digestOf(text: string): string {
	return text.length <= DIGEST_CHARS ? text : createHash('sha1').update(text).digest('base64');
}
