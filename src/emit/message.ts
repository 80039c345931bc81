/** A request, from whichever side -> entries of the stream. Pure; shared by the library, the HTTP API and the CLI. */
import type { EmitterEntry } from '../stream/append.ts';
import { BROADCAST, DISCONNECT_SOCKETS, EVENT_PACKET, SOCKETS_JOIN, SOCKETS_LEAVE } from '../stream/protocol.ts';
import { encodeBinary, encodePlain, surveyPayload, UNFIT_TEXTS } from './payload.ts';
import type { DisconnectRequest, EmitBatch, EmitMessage, RoomsRequest } from './schema.ts';
import { checkDisconnectRequest, checkEmitBatch, checkEmitMessage, checkRoomsRequest, type Problem } from './validate.ts';

/** Whom a request reaches or moves: what a token must be allowed. */
export interface Reach {
	readonly namespace: string;
	/** Undefined: every client of the namespace. */
	readonly rooms: readonly string[] | undefined;
}

export type Built =
	| { readonly kind: 'entries'; readonly entries: readonly EmitterEntry[]; readonly reaches: readonly Reach[] }
	| { readonly kind: 'invalid'; readonly problems: readonly Problem[] };

/** Message types of entries, in the form that a field of an entry has. */
export const WIRE_TYPES = {
	broadcast: `${BROADCAST}`,
	socketsJoin: `${SOCKETS_JOIN}`,
	socketsLeave: `${SOCKETS_LEAVE}`,
	disconnectSockets: `${DISCONNECT_SOCKETS}`,
} as const;

export const DEFAULT_NAMESPACE = '/';

/** One event -> one entry. */
export function buildEmit(message: unknown): Built {
	const checked = checkEmitMessage(message);
	return checked.kind === 'invalid' ? checked : collect([checked.value], () => '');
}

/** `{ messages }` -> an entry for each, or all that is wrong with them. */
export function buildBatch(batch: unknown): Built {
	const checked = checkEmitBatch(batch);
	return checked.kind === 'invalid' ? checked : buildCheckedBatch(checked.value);
}

function buildCheckedBatch({ messages }: EmitBatch): Built {
	const seen = new Set<string>();
	const problems: Problem[] = [];
	for (const [index, { idempotencyKey }] of messages.entries()) {
		if (idempotencyKey === undefined) {
			continue;
		}
		if (seen.has(idempotencyKey)) {
			problems.push({ pointer: `/messages/${index}/idempotencyKey`, detail: 'is used twice in this batch' });
		}
		seen.add(idempotencyKey);
	}
	return problems.length > 0 ? { kind: 'invalid', problems } : collect(messages, (index) => `/messages/${index}`);
}

function collect(messages: readonly EmitMessage[], pointerOf: (index: number) => string): Built {
	const entries: EmitterEntry[] = [];
	const problems: Problem[] = [];
	for (const [index, message] of messages.entries()) {
		const encoded = encodeEmit(message);
		if ('entry' in encoded) {
			entries.push(encoded.entry);
		} else {
			problems.push({ pointer: pointerOf(index) + encoded.problem.pointer, detail: encoded.problem.detail });
		}
	}
	return problems.length > 0 ? { kind: 'invalid', problems } : { kind: 'entries', entries, reaches: messages.map(reachOf) };
}

function reachOf({ namespace = DEFAULT_NAMESPACE, rooms = [] }: EmitMessage): Reach {
	return { namespace, rooms: rooms.length === 0 ? undefined : rooms };
}

function encodeEmit(message: EmitMessage): { readonly entry: EmitterEntry } | { readonly problem: Problem } {
	const args = message.args ?? [];
	const survey = surveyPayload(args);
	if (survey !== 'plain' && survey !== 'binary') {
		return { problem: { pointer: '/args', detail: UNFIT_TEXTS[survey] } };
	}
	const nsp = message.namespace ?? DEFAULT_NAMESPACE;
	const flags = {
		...(message.volatile === true ? { volatile: true } : {}),
		...(message.compress === undefined ? {} : { compress: message.compress }),
	};
	const data = {
		packet: { type: EVENT_PACKET, data: [message.event, ...args], nsp },
		opts: { rooms: message.rooms ?? [], except: message.except ?? [], flags },
	};
	return {
		entry: {
			nsp,
			type: WIRE_TYPES.broadcast,
			rooms: message.rooms ?? [],
			data: survey === 'binary' ? encodeBinary(data) : encodePlain(data),
			...(message.idempotencyKey === undefined ? {} : { onceKey: message.idempotencyKey }),
		},
	};
}

/** Joins first, then leaves. */
export function buildRoomsChange(request: unknown): Built {
	const checked = checkRoomsRequest(request);
	return checked.kind === 'invalid' ? checked : buildCheckedRoomsChange(checked.value);
}

function buildCheckedRoomsChange(request: RoomsRequest): Built {
	const entries: EmitterEntry[] = [];
	if (request.join) {
		entries.push(buildCommand(WIRE_TYPES.socketsJoin, request, { rooms: request.join }));
	}
	if (request.leave) {
		entries.push(buildCommand(WIRE_TYPES.socketsLeave, request, { rooms: request.leave }));
	}
	if (entries.length === 0) {
		return { kind: 'invalid', problems: [{ pointer: '', detail: 'needs "join", "leave" or both' }] };
	}
	const { rooms, join = [], leave = [] } = request;
	return { kind: 'entries', entries, reaches: [reachOfSelection(request, rooms && [...rooms, ...join, ...leave])] };
}

export function buildDisconnect(request: unknown): Built {
	const checked = checkDisconnectRequest(request);
	if (checked.kind === 'invalid') {
		return checked;
	}
	const { value } = checked;
	return {
		kind: 'entries',
		entries: [buildCommand(WIRE_TYPES.disconnectSockets, value, { close: value.close ?? false })],
		reaches: [reachOfSelection(value, value.rooms)],
	};
}

function reachOfSelection(
	{ namespace = DEFAULT_NAMESPACE }: RoomsRequest | DisconnectRequest,
	rooms: readonly string[] | undefined,
): Reach {
	return { namespace, rooms };
}

function buildCommand(type: string, request: RoomsRequest | DisconnectRequest, rest: object): EmitterEntry {
	const opts = { rooms: request.rooms ?? [], except: request.except ?? [], flags: {} };
	return { nsp: request.namespace ?? DEFAULT_NAMESPACE, type, rooms: opts.rooms, data: encodePlain({ opts, ...rest }) };
}
