/** JSON Schema -> a check that names the field and says what it wants. */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import {
	DISCONNECT_REQUEST,
	type DisconnectRequest,
	EMIT_BATCH,
	EMIT_MESSAGE,
	type EmitBatch,
	type EmitMessage,
	PRESENCE_QUERY,
	type PresenceQuery,
	ROOMS_REQUEST,
	type RoomsRequest,
	SOCKETS_QUERY,
	type SocketsQuery,
} from './schema.ts';

/** One thing that is wrong with a request. */
export interface Problem {
	/** JSON pointer (RFC 6901) to the field; empty: the request itself. */
	readonly pointer: string;
	readonly detail: string;
}

export type Checked<T> =
	| { readonly kind: 'valid'; readonly value: T }
	| { readonly kind: 'invalid'; readonly problems: readonly Problem[] };

const bodies = new Ajv2020({ strict: true, strictRequired: false });
/** Query values are strings: numbers and booleans are read from them, and absent ones get their default. */
const queries = new Ajv2020({ strict: true, coerceTypes: true, useDefaults: true });

function checkBy<T>(validate: ValidateFunction<T>): (value: unknown) => Checked<T> {
	return (value) => (validate(value) ? { kind: 'valid', value } : { kind: 'invalid', problems: toProblems(validate.errors) });
}

export const checkEmitMessage = checkBy(bodies.compile<EmitMessage>(EMIT_MESSAGE));
export const checkEmitBatch = checkBy(bodies.compile<EmitBatch>(EMIT_BATCH));
export const checkRoomsRequest = checkBy(bodies.compile<RoomsRequest>(ROOMS_REQUEST));
export const checkDisconnectRequest = checkBy(bodies.compile<DisconnectRequest>(DISCONNECT_REQUEST));
export const checkSocketsQuery = checkBy(queries.compile<SocketsQuery>(SOCKETS_QUERY));
export const checkPresenceQuery = checkBy(queries.compile<PresenceQuery>(PRESENCE_QUERY));

function toProblem(error: ErrorObject): Problem {
	const params: Record<string, unknown> = error.params;
	switch (error.keyword) {
		case 'additionalProperties':
			return { pointer: `${error.instancePath}/${escapePointer(String(params.additionalProperty))}`, detail: 'is not a known field' };
		case 'required':
			return { pointer: `${error.instancePath}/${escapePointer(String(params.missingProperty))}`, detail: 'is missing' };
		case 'oneOf':
			return { pointer: error.instancePath, detail: 'needs either "rooms" or "all": true (every client of the namespace)' };
		case 'not':
			return { pointer: error.instancePath, detail: 'is a name that Socket.IO keeps for itself' };
		case 'pattern':
			return { pointer: error.instancePath, detail: `must match ${String(params.pattern)}` };
		default:
			return { pointer: error.instancePath, detail: error.message ?? error.keyword };
	}
}

/** The branches of a `oneOf` say less than the `oneOf` itself, which comes last. */
export function toProblems(errors: readonly ErrorObject[] | null | undefined): readonly Problem[] {
	const last = errors?.at(-1);
	return (last?.keyword === 'oneOf' ? [last] : (errors ?? [])).map(toProblem);
}

export function escapePointer(key: string): string {
	return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** `rooms/3 must be string; event is missing`. */
export function sentenceOf(problems: readonly Problem[]): string {
	return problems.map(({ pointer, detail }) => (pointer === '' ? detail : `${pointer.slice(1)} ${detail}`)).join('; ');
}
