/** What is kept of a client that may come back: its ids, its data, and which rooms it was in from when to when. Pure. */
import { decode } from '@msgpack/msgpack';
import { parseOffset, type StreamOffset } from '../../stream/offset.ts';
import { type DroppedKeyListener, encodeSafely } from '../plain-data.ts';

export type Room = string;

/** Messages after `from`, and up to `to` if the room was left, were for its members. */
export interface RoomStay {
	readonly room: Room;
	readonly from: StreamOffset;
	readonly to: StreamOffset | undefined;
}

export interface SessionRecord {
	readonly nsp: string;
	readonly sid: string;
	readonly pid: string;
	readonly stays: readonly RoomStay[];
	readonly data: unknown;
	/** The rooms are those after this entry: joins, leaves and kicks that follow it on the stream are still to be applied. */
	readonly at: StreamOffset;
	/** Nothing between this entry and `at` was for the client: if it has seen this one, it has missed nothing up to `at`. */
	readonly sentUpTo: StreamOffset;
	/** While this was the last entry, messages were delivered without the stream: only a client that has seen a later one has them all. */
	readonly outsideAt: StreamOffset | undefined;
}

type PackedStay = [room: Room, from: string, to?: string];

export function encodeRecord(record: SessionRecord, onDropped: DroppedKeyListener): string {
	const stays = record.stays.map(({ room, from, to }): PackedStay => (to === undefined ? [room, from] : [room, from, to]));
	return encodeSafely([record.nsp, record.sid, record.pid, stays, record.at, record.sentUpTo, record.outsideAt, record.data], onDropped);
}

/** Undefined when it is not one of ours. */
export function decodeRecord(text: string): SessionRecord | undefined {
	let value: unknown;
	try {
		value = decode(Buffer.from(text, 'base64'));
	} catch {
		return undefined;
	}
	if (!Array.isArray(value)) {
		return undefined;
	}
	const [nsp, sid, pid, stays, at, sentUpTo, outsideAt, data]: unknown[] = value;
	const offset = parseOffset(at);
	const sent = parseOffset(sentUpTo);
	if (typeof nsp !== 'string' || typeof sid !== 'string' || typeof pid !== 'string' || !offset || !sent || !Array.isArray(stays)) {
		return undefined;
	}
	const parsed = stays.map(parseStay);
	return parsed.every((stay) => stay !== undefined)
		? { nsp, sid, pid, stays: parsed, at: offset, sentUpTo: sent, outsideAt: parseOffset(outsideAt), data: data ?? {} }
		: undefined;
}

function parseStay(value: unknown): RoomStay | undefined {
	if (!Array.isArray(value)) {
		return undefined;
	}
	const [room, from, to]: unknown[] = value;
	const fromOffset = parseOffset(from);
	if ((typeof room !== 'string' && typeof room !== 'number') || fromOffset === undefined) {
		return undefined;
	}
	return { room: room as Room, from: fromOffset, to: parseOffset(to) };
}
