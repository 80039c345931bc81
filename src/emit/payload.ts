/** Arguments of an event as the streams adapter carries them: JSON, or base64 of msgpack when they hold binary. */
import { encode } from '@msgpack/msgpack';

/** Deeper is a mistake or an attack: servers and clients walk the arguments recursively. */
export const MAX_DEPTH = 64;

export type Survey = 'plain' | 'binary' | UnfitPayload;
export type UnfitPayload = 'too-deep' | 'bigint' | 'prototype-key';

/**
 * Walks a value once: can it be carried, does it hold binary. A cycle is found as `too-deep`. Readers refuse an entry with
 * a key `__proto__`, since a decoder that took it would change the prototype.
 */
export function surveyPayload(value: unknown, depth = 0): Survey {
	if (typeof value !== 'object' || value === null) {
		return typeof value === 'bigint' ? 'bigint' : 'plain';
	}
	if (depth > MAX_DEPTH) {
		return 'too-deep';
	}
	if (isBinary(value)) {
		return 'binary';
	}
	if (hasToJson(value)) {
		return surveyPayload(value.toJSON(), depth + 1);
	}
	if (Object.hasOwn(value, '__proto__')) {
		return 'prototype-key';
	}
	let found: Survey = 'plain';
	for (const item of Array.isArray(value) ? value : Object.values(value)) {
		const inner = surveyPayload(item, depth + 1);
		if (inner !== 'plain' && inner !== 'binary') {
			return inner;
		}
		if (inner === 'binary') {
			found = inner;
		}
	}
	return found;
}

/** Why a payload can't be carried, to follow the name of the field. */
export const UNFIT_TEXTS: Readonly<Record<UnfitPayload, string>> = {
	'too-deep': `is nested deeper than ${MAX_DEPTH} levels, or circular`,
	bigint: 'holds a BigInt, which JSON can not carry',
	'prototype-key': 'holds a key "__proto__"',
};

/** `data` of an entry with no binary in it. */
export function encodePlain(data: object): string {
	return JSON.stringify(data);
}

/** `data` of an entry that holds binary; base64 never begins with `{`, which is how readers tell the two apart. */
export function encodeBinary(data: object): string {
	return encodeMsgpack(data).toString('base64');
}

/** msgpack of what JSON would carry, with binary kept: `toJSON` is honoured, `undefined` and functions are dropped. */
export function encodeMsgpack(data: object): Buffer {
	const packed = encode(toCarried(data));
	return Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
}

function toCarried(value: unknown): unknown {
	if (typeof value !== 'object' || value === null) {
		return typeof value === 'function' || typeof value === 'symbol' ? undefined : value;
	}
	if (value instanceof ArrayBuffer) {
		return new Uint8Array(value);
	}
	if (ArrayBuffer.isView(value)) {
		return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
	}
	if (hasToJson(value)) {
		return toCarried(value.toJSON());
	}
	if (Array.isArray(value)) {
		return value.map((item) => toCarried(item) ?? null);
	}
	const carried: Record<string, unknown> = {};
	for (const [key, inner] of Object.entries(value)) {
		const kept = toCarried(inner);
		if (kept !== undefined) {
			carried[key] = kept;
		}
	}
	return carried;
}

function isBinary(value: object): boolean {
	return ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
}

function hasToJson(value: object): value is { toJSON(): unknown } {
	return 'toJSON' in value && typeof value.toJSON === 'function';
}

export type Decoded =
	| { readonly kind: 'value'; readonly value: unknown }
	| { readonly kind: 'bad'; readonly pointer: string; readonly detail: string };

/** JSON has no bytes: `{"$binary": "<base64>"}` stands for them, at any depth. Changes arrays and objects in place. */
export function decodeJsonBinary(value: unknown, pointer: string, depth = 0): Decoded {
	if (typeof value !== 'object' || value === null) {
		return { kind: 'value', value };
	}
	if (depth > MAX_DEPTH) {
		return { kind: 'bad', pointer, detail: `is nested deeper than ${MAX_DEPTH} levels` };
	}
	const container = value as Record<string, unknown>;
	const keys = Object.keys(container);
	if (keys.length === 1 && keys[0] === '$binary') {
		return decodeMarker(container.$binary, `${pointer}/$binary`);
	}
	for (const key of keys) {
		const inner = decodeJsonBinary(container[key], `${pointer}/${key}`, depth + 1);
		if (inner.kind === 'bad') {
			return inner;
		}
		if (inner.value !== container[key]) {
			container[key] = inner.value;
		}
	}
	return { kind: 'value', value };
}

function decodeMarker(text: unknown, pointer: string): Decoded {
	if (typeof text === 'string') {
		const bytes = Buffer.from(text, 'base64');
		// Buffer skips what is not base64: only what encodes back to the same text was.
		if (bytes.toString('base64') === text) {
			return { kind: 'value', value: bytes };
		}
	}
	return { kind: 'bad', pointer, detail: 'must be base64 (RFC 4648, with padding)' };
}
