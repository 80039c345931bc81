/**
 * One entry of the stream. The wire format is the official adapter's (`uid`, `nsp`, `type`, `data`); two more fields, which
 * official readers pass over, are ours: `pub` tells publisher and sequence, `to` the rooms, so that an entry for rooms that
 * nobody here has is dropped before `data` is decoded.
 */
import { decode } from '@msgpack/msgpack';
import { messageOf } from '../base/errors.ts';
import { parseOffset, type StreamOffset } from './offset.ts';
import { BROADCAST, DISCONNECT_SOCKETS, EVENT_PACKET, SOCKETS_JOIN, SOCKETS_LEAVE } from './protocol.ts';

/**
 * A type of ours besides those of socket.io-adapter: messages for some rooms were given up before Redis took them. Official servers ignore
 * types that they do not know.
 */
export const MESSAGES_LOST = 90;

export interface EntryFields {
	readonly uid: string;
	readonly nsp: string;
	readonly type: number;
	readonly data: string;
}

/** Who published an entry, and which one of its publications it is; 1 is the first. */
export interface PublisherMark {
	readonly publisher: string;
	readonly sequence: number;
}

export interface StreamEntry extends EntryFields {
	readonly id: StreamOffset;
	readonly mark: PublisherMark | undefined;
	/** Undefined: unknown, or everyone. */
	readonly rooms: readonly string[] | undefined;
}

export type ParsedEntry = { readonly kind: 'entry'; readonly entry: StreamEntry } | MalformedEntry;
export interface MalformedEntry {
	readonly kind: 'malformed';
	readonly id: StreamOffset;
	readonly reason: string;
}

export function idOf(item: ParsedEntry | { readonly kind: string; readonly id: StreamOffset }): StreamOffset {
	return 'entry' in item ? item.entry.id : item.id;
}

/** Socket.IO fires these itself: a client takes them from no server, and ours writes none. */
export const RESERVED_EVENTS = ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'] as const;
const RESERVED = new Set<string>(RESERVED_EVENTS);

/** Separates room names; a room whose name holds it makes the field go away. */
const ROOM_SEPARATOR = '\u001f';

/** The value of `to`; undefined when the rooms can't be told in it. */
export function formatRooms(rooms: readonly unknown[]): string | undefined {
	const isTellable = rooms.length > 0 && rooms.every((room) => typeof room === 'string' && room !== '' && !room.includes(ROOM_SEPARATOR));
	return isTellable ? rooms.join(ROOM_SEPARATOR) : undefined;
}

/** One element of the reply to XREAD or XRANGE: `[id, [field, value, ...]]`. Undefined when there is not even an id. */
export function parseEntry(raw: unknown): ParsedEntry | undefined {
	if (!Array.isArray(raw)) {
		return undefined;
	}
	const id = parseOffset(raw[0]);
	if (id === undefined) {
		return undefined;
	}
	const fields: unknown = raw[1];
	if (!Array.isArray(fields)) {
		return { kind: 'malformed', id, reason: 'no_fields' };
	}
	return buildEntry(id, readFields(fields));
}

function buildEntry(id: StreamOffset, { uid, nsp, type, data, pub, to }: KnownFields): ParsedEntry {
	if (!uid || !nsp || type === undefined) {
		return { kind: 'malformed', id, reason: 'missing_field' };
	}
	if (!/^\d{1,2}$/.test(type)) {
		return { kind: 'malformed', id, reason: 'bad_type' };
	}
	const rooms = to?.split(ROOM_SEPARATOR);
	return { kind: 'entry', entry: { id, uid, nsp, type: Number(type), data: data ?? '', mark: parseMark(pub), rooms } };
}

/**
 * What a channel brings: `id`, `uid`, `type`, `pub`, `nsp` and `data`, each but the last ended by a zero. A client may have named its
 * namespace, zeros and all; data has none. Undefined: not even an id.
 */
export function parsePush(payload: string): ParsedEntry | undefined {
	const parts: string[] = [];
	let at = 0;
	for (let end = payload.indexOf('\0'); end >= 0 && parts.length < 4; end = payload.indexOf('\0', at)) {
		parts.push(payload.slice(at, end));
		at = end + 1;
	}
	const [text, uid, type, pub] = parts;
	const id = parseOffset(text);
	if (id === undefined) {
		return undefined;
	}
	const end = payload.lastIndexOf('\0');
	return buildEntry(id, { uid, nsp: payload.slice(at, end), type, pub, data: payload.slice(end + 1) });
}

/** Those without an id are left out: they cannot be told from others. */
export function parseEntries(raws: readonly unknown[]): readonly ParsedEntry[] {
	return raws.map(parseEntry).filter((parsed) => parsed !== undefined);
}

interface KnownFields {
	uid?: string | undefined;
	nsp?: string | undefined;
	type?: string | undefined;
	data?: string | undefined;
	pub?: string | undefined;
	to?: string | undefined;
}

function readFields(fields: readonly unknown[]): KnownFields {
	const found: KnownFields = {};
	for (let i = 0; i + 1 < fields.length; i += 2) {
		const name = fields[i];
		const value = fields[i + 1];
		if (typeof value !== 'string') {
			continue;
		}
		// Fields of others are passed over; a name of Object.prototype's must not get far.
		switch (name) {
			case 'uid':
			case 'nsp':
			case 'type':
			case 'data':
			case 'pub':
			case 'to':
				found[name] = value;
				break;
			default:
				break;
		}
	}
	return found;
}

export function formatMark({ publisher, sequence }: PublisherMark): string {
	return `${publisher} ${sequence}`;
}

function parseMark(text: string | undefined): PublisherMark | undefined {
	const space = text?.indexOf(' ') ?? -1;
	if (text === undefined || space < 1) {
		return undefined;
	}
	const sequence = Number(text.slice(space + 1));
	return Number.isSafeInteger(sequence) && sequence > 0 ? { publisher: text.slice(0, space), sequence } : undefined;
}

/** What `opts` of a message selects. */
export interface EntryTarget {
	readonly rooms: readonly string[];
	readonly except: readonly string[];
	readonly flags: Readonly<Record<string, unknown>>;
}

export interface EventPacket {
	type: number;
	data: unknown[];
	id?: number;
	nsp?: string;
}

export type EntryMessage =
	| { readonly kind: 'broadcast'; readonly target: EntryTarget; readonly packet: EventPacket }
	| { readonly kind: 'join' | 'leave'; readonly target: EntryTarget; readonly rooms: readonly string[] }
	| { readonly kind: 'disconnect'; readonly target: EntryTarget; readonly close: boolean }
	/** Messages for these rooms will never be on the log. */
	| { readonly kind: 'lost'; readonly target: EntryTarget }
	/** A type that official servers of other versions may put on the stream. */
	| { readonly kind: 'other' };

/** Whether `data` is JSON; otherwise it is MessagePack in base64. */
export function isJson(data: string): boolean {
	return data.startsWith('{');
}

/** Decodes and checks `data`. The reason is a metric label. */
export function decodeEntry(entry: EntryFields): EntryMessage | { readonly kind: 'malformed'; readonly reason: string } {
	let data: unknown;
	try {
		data = isJson(entry.data) ? JSON.parse(entry.data) : decode(Buffer.from(entry.data, 'base64'));
	} catch (error) {
		return { kind: 'malformed', reason: messageOf(error).includes('__proto__') ? 'prototype_key' : 'undecodable' };
	}
	if (!isRecord(data)) {
		return { kind: 'malformed', reason: 'not_an_object' };
	}
	switch (entry.type) {
		case BROADCAST:
			return checkBroadcast(data);
		case SOCKETS_JOIN:
		case SOCKETS_LEAVE: {
			const target = parseTarget(data.opts);
			return target && isRoomList(data.rooms)
				? { kind: entry.type === SOCKETS_JOIN ? 'join' : 'leave', target, rooms: data.rooms }
				: { kind: 'malformed', reason: 'bad_rooms' };
		}
		case DISCONNECT_SOCKETS: {
			const target = parseTarget(data.opts);
			return target ? { kind: 'disconnect', target, close: data.close === true } : { kind: 'malformed', reason: 'bad_rooms' };
		}
		case MESSAGES_LOST: {
			const target = parseTarget(data.opts);
			return target ? { kind: 'lost', target } : { kind: 'malformed', reason: 'bad_rooms' };
		}
		default:
			return { kind: 'other' };
	}
}

function checkBroadcast(data: Record<string, unknown>): ReturnType<typeof decodeEntry> {
	const target = parseTarget(data.opts);
	const packet = data.packet;
	if (target === undefined) {
		return { kind: 'malformed', reason: 'bad_rooms' };
	}
	if (!isRecord(packet) || !isEvent(packet)) {
		return { kind: 'malformed', reason: 'bad_packet' };
	}
	return { kind: 'broadcast', target, packet: packet as unknown as EventPacket };
}

/** A client closes its connection on what is no event, and would be sent it again each time that it comes back. */
function isEvent({ type, data, id }: Record<string, unknown>): boolean {
	if (
		type !== EVENT_PACKET ||
		!Array.isArray(data) ||
		(id !== undefined && id !== null && !(Number.isSafeInteger(id) && Number(id) >= 0))
	) {
		return false;
	}
	const name: unknown = data[0];
	return typeof name === 'number' || (typeof name === 'string' && !RESERVED.has(name));
}

function parseTarget(opts: unknown): EntryTarget | undefined {
	if (!isRecord(opts) || !isRoomList(opts.rooms)) {
		return undefined;
	}
	const except = opts.except ?? [];
	return isRoomList(except) ? { rooms: opts.rooms, except, flags: isRecord(opts.flags) ? opts.flags : {} } : undefined;
}

/** Rooms are strings by type, but applications name them with numbers, too. */
function isRoomList(value: unknown): value is string[] {
	return Array.isArray(value) && value.every((room) => typeof room === 'string' || typeof room === 'number');
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}
