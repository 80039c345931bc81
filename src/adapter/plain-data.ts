/** `socket.data` and handshakes hold whatever the application put there: what can't travel is left out, key by key. */
import { encode } from '@msgpack/msgpack';

export type DroppedKeyListener = (key: string) => void;

const MAX_DEPTH = 32;

/** A copy of plain data: functions, symbols, BigInts, class instances (timers, sockets), cycles and what is nested too deep are gone. */
export function toPlainData(value: unknown, onDropped: DroppedKeyListener): unknown {
	const plain = copyPlain(value, 'data', [], onDropped);
	return plain === DROPPED ? {} : plain;
}

const DROPPED = Symbol('dropped');

function copyPlain(value: unknown, key: string, path: object[], onDropped: DroppedKeyListener): unknown {
	if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint') {
		onDropped(key);
		return DROPPED;
	}
	if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof Date) {
		return value;
	}
	if (path.includes(value) || path.length >= MAX_DEPTH || !isPlain(value)) {
		onDropped(key);
		return DROPPED;
	}
	const inside = [...path, value];
	if (Array.isArray(value)) {
		return value.map((item) => {
			const copy = copyPlain(item, key, inside, onDropped);
			return copy === DROPPED ? null : copy;
		});
	}
	const copy: Record<string, unknown> = {};
	for (const [name, item] of Object.entries(value)) {
		const plain = name === '__proto__' ? DROPPED : copyPlain(item, name, inside, onDropped);
		if (plain !== DROPPED) {
			copy[name] = plain;
		}
	}
	return copy;
}

function isPlain(value: object): boolean {
	const prototype: unknown = Object.getPrototypeOf(value);
	return Array.isArray(value) || prototype === null || prototype === Object.prototype;
}

/** MessagePack in base64; the slow way only when the fast one meets something that can't travel. */
export function encodeSafely(value: unknown, onDropped: DroppedKeyListener): string {
	return toBase64(encodePacked(value, onDropped));
}

function encodePacked(value: unknown, onDropped: DroppedKeyListener): Uint8Array {
	try {
		return encode(value);
	} catch {
		// A function, a cycle, a BigInt: which one it was is found by the copy, which tells `onDropped`.
		return encode(toPlainData(value, onDropped));
	}
}

function toBase64(bytes: Uint8Array): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
