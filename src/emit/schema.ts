/** The shapes of the emit API, once: these schemas validate what comes in and are printed as the OpenAPI document. */

import { RESERVED_EVENTS } from '../stream/entry.ts';

export const MAX_ROOMS = 1000;
export const MAX_BATCH = 1000;
export const MAX_PAGE = 1000;

const namespace = {
	type: 'string',
	pattern: '^/',
	maxLength: 256,
	default: '/',
	description: 'Namespace, beginning with "/".',
} as const;
const roomName = { type: 'string', minLength: 1, maxLength: 256 } as const;
const rooms = {
	type: 'array',
	items: roomName,
	maxItems: MAX_ROOMS,
	description: 'Rooms to reach; a socket id is a room too. A client that is in several gets the message once.',
} as const;
const someRooms = { ...rooms, minItems: 1 } as const;
const except = { type: 'array', items: roomName, maxItems: MAX_ROOMS, description: 'Rooms whose members are left out.' } as const;
const all = { type: 'boolean', const: true, description: 'In place of `rooms`: every client of the namespace.' } as const;
const roomsOrAll = [{ required: ['rooms'] }, { required: ['all'] }] as const;
const idempotencyKey = {
	type: 'string',
	pattern: '^[!-~]+$',
	minLength: 1,
	maxLength: 128,
	description: 'The same key within 24 hours is written once and answers with the same receipt; other content under it is refused (409).',
} as const;

export const EMIT_MESSAGE = {
	type: 'object',
	additionalProperties: false,
	required: ['event'],
	properties: {
		namespace,
		rooms: { ...rooms, description: `${rooms.description} None: every client of the namespace.` },
		except,
		event: { type: 'string', minLength: 1, maxLength: 256, not: { enum: RESERVED_EVENTS }, description: 'Name of the event.' },
		args: {
			type: 'array',
			maxItems: 64,
			description: 'Arguments of the event: JSON, and over HTTP `{"$binary": "<base64>"}` for bytes.',
		},
		volatile: { type: 'boolean', description: 'May be dropped when a client can not take it right now; never recovered.' },
		compress: { type: 'boolean', description: 'False: never compress it, whatever the server has configured.' },
		idempotencyKey,
	},
} as const;

export const EMIT_BATCH = {
	type: 'object',
	additionalProperties: false,
	required: ['messages'],
	properties: {
		messages: {
			type: 'array',
			minItems: 1,
			maxItems: MAX_BATCH,
			items: EMIT_MESSAGE,
			description: 'Written in this order, all or none.',
		},
	},
} as const;

export const ROOMS_REQUEST = {
	type: 'object',
	additionalProperties: false,
	oneOf: roomsOrAll,
	properties: {
		namespace,
		rooms: { ...someRooms, description: 'Whose members are moved; a socket id is a room too.' },
		all,
		except,
		join: { ...someRooms, description: 'Rooms they join.' },
		leave: { ...someRooms, description: 'Rooms they leave.' },
	},
} as const;

export const DISCONNECT_REQUEST = {
	type: 'object',
	additionalProperties: false,
	oneOf: roomsOrAll,
	properties: {
		namespace,
		rooms: { ...someRooms, description: 'Whose members are disconnected; a socket id is a room too.' },
		all,
		except,
		close: {
			type: 'boolean',
			default: false,
			description: 'Close the whole connection, not only this namespace. The stock client does not come back by itself.',
		},
	},
} as const;

export const SOCKETS_QUERY = {
	type: 'object',
	additionalProperties: false,
	properties: {
		namespace,
		room: { ...rooms, description: 'Rooms, repeated. None: the whole namespace.' },
		limit: { type: 'integer', minimum: 1, maximum: MAX_PAGE, default: 100, description: 'Sockets in one page.' },
		cursor: { type: 'string', maxLength: 64, description: '`next` of the page before.' },
		data: { type: 'boolean', default: false, description: "Include each socket's `data`." },
	},
} as const;

export const PRESENCE_QUERY = {
	type: 'object',
	additionalProperties: false,
	properties: { namespace, room: { ...rooms, description: 'Rooms to count, repeated. None: the 1000 largest.' } },
} as const;

const receipt = {
	type: 'object',
	required: ['id'],
	properties: {
		id: { type: 'string', description: 'Id of the stream entry, which is also the offset clients recover from.' },
		duplicate: { type: 'boolean', description: 'Written before, under the same idempotency key.' },
	},
} as const;
const missing = {
	type: 'array',
	items: { type: 'string' },
	description: 'Workers that did not answer in time. Empty: the answer is complete.',
} as const;

export const RESPONSES = {
	Receipt: receipt,
	Receipts: {
		type: 'object',
		required: ['receipts'],
		properties: { receipts: { type: 'array', items: receipt, description: 'In the order of the request.' } },
	},
	SocketsPage: {
		type: 'object',
		required: ['sockets', 'missing'],
		properties: {
			sockets: {
				type: 'array',
				items: {
					type: 'object',
					required: ['id', 'rooms', 'connectedAt'],
					properties: {
						id: { type: 'string' },
						rooms: { type: 'array', items: { type: 'string' } },
						connectedAt: { type: 'string', format: 'date-time' },
						data: {},
					},
				},
			},
			next: { type: 'string', description: 'Cursor of the next page; absent on the last.' },
			missing,
		},
	},
	Presence: {
		type: 'object',
		required: ['sockets', 'rooms', 'missing'],
		properties: {
			sockets: { type: 'integer', description: 'Sockets that are in one of the rooms, or in the namespace.' },
			rooms: { type: 'object', additionalProperties: { type: 'integer' }, description: 'Room -> sockets.' },
			missing,
		},
	},
	Problem: {
		type: 'object',
		description: 'RFC 9457.',
		required: ['type', 'title', 'status', 'detail', 'code'],
		properties: {
			type: { type: 'string' },
			title: { type: 'string' },
			status: { type: 'integer' },
			detail: { type: 'string' },
			code: { type: 'string', description: 'Stable; a row of the error table.' },
			errors: {
				type: 'array',
				items: {
					type: 'object',
					required: ['pointer', 'detail'],
					properties: { pointer: { type: 'string', description: 'JSON pointer to the field.' }, detail: { type: 'string' } },
				},
			},
			scope: { type: 'string', description: 'With 403: the scope that the token lacks.' },
		},
	},
} as const;

type Rooms = readonly string[];

/** One event for many clients. */
export interface EmitMessage {
	readonly namespace?: string | undefined;
	readonly rooms?: Rooms | undefined;
	readonly except?: Rooms | undefined;
	readonly event: string;
	readonly args?: readonly unknown[] | undefined;
	readonly volatile?: boolean | undefined;
	readonly compress?: boolean | undefined;
	readonly idempotencyKey?: string | undefined;
}

interface Selection {
	readonly namespace?: string | undefined;
	readonly rooms?: Rooms | undefined;
	readonly all?: true | undefined;
	readonly except?: Rooms | undefined;
}

export interface RoomsRequest extends Selection {
	readonly join?: Rooms | undefined;
	readonly leave?: Rooms | undefined;
}

export interface DisconnectRequest extends Selection {
	readonly close?: boolean | undefined;
}

export interface EmitBatch {
	readonly messages: readonly EmitMessage[];
}

export interface SocketsQuery {
	readonly namespace: string;
	readonly room: Rooms;
	readonly limit: number;
	readonly cursor?: string;
	readonly data: boolean;
}

export interface PresenceQuery {
	readonly namespace: string;
	readonly room: Rooms;
}
