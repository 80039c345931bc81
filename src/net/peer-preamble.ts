/**
 * What one pod says first on another's internal port: which worker it wants, and that it has the fleet's key. Pure.
 *
 *     SOCKETFLEET/1 <pod> <slot> <timestampMs> <nonce> <hmac>\r\n
 *
 * `pod` is the one that is called, so a line can't be replayed to another pod, and a call that reaches a new pod at an old
 * address is told apart from a wrong key. `hmac` is HMAC-SHA256, base64url, by the fleet's key over `pod|slot|timestampMs|nonce`.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { MAX_SLOTS } from './session-id.ts';

export interface PreambleInput {
	readonly key: string;
	/** Id of the pod that is called. */
	readonly pod: string;
	readonly slot: number;
	/** Milliseconds since the epoch. */
	readonly now: number;
	/** 8 to 64 characters of `[A-Za-z0-9_-]`. */
	readonly nonce: string;
}

export interface PreambleCheck {
	/** Accepted keys: the current one, and the one before while a new one is rolled out. Empty texts never match. */
	readonly keys: readonly string[];
	/** Id of this pod. */
	readonly pod: string;
	readonly now: number;
	/** How far the two clocks may be apart. */
	readonly maxSkewMs: number;
}

export type PreambleResult =
	| { readonly kind: 'need-more' }
	| { readonly kind: 'found'; readonly slot: number; readonly nonce: string; readonly length: number }
	| { readonly kind: 'invalid'; readonly reason: 'malformed' | 'key' | 'skew' | 'pod' };

const PREFIX = Buffer.from('SOCKETFLEET/1 ', 'latin1');
const MAX_PREAMBLE_BYTES = 256;
const LINE = /^SOCKETFLEET\/1 ([\w-]{4}) (0|[1-9]\d?) ([1-9]\d{0,15}) ([\w-]{8,64}) ([\w-]{43})$/;

/** The line as bytes, `\r\n` included. */
export function buildPreamble(input: PreambleInput): Buffer {
	const { pod, slot, now, nonce } = input;
	const mac = sign(input.key, pod, String(slot), String(now), nonce);
	return Buffer.from(`SOCKETFLEET/1 ${pod} ${slot} ${now} ${nonce} ${mac.toString('base64url')}\r\n`, 'latin1');
}

/** Called with everything received so far. `length` bytes belong to the line. Reads at most 256 bytes. */
export function parsePreamble(bytes: Buffer, check: PreambleCheck): PreambleResult {
	const window = bytes.subarray(0, MAX_PREAMBLE_BYTES);
	const known = Math.min(window.length, PREFIX.length);
	if (window.compare(PREFIX, 0, known, 0, known) !== 0) {
		return invalid('malformed');
	}
	const end = window.indexOf('\r\n');
	if (end === -1) {
		return window.length < MAX_PREAMBLE_BYTES ? { kind: 'need-more' } : invalid('malformed');
	}
	const [, pod = '', slotText = '', timestamp = '', nonce = '', mac = ''] = LINE.exec(window.toString('latin1', 0, end)) ?? [];
	const slot = Number(slotText);
	if (pod === '' || slot >= MAX_SLOTS) {
		return invalid('malformed');
	}
	const received = Buffer.from(mac, 'base64url');
	if (!check.keys.some((key) => key !== '' && timingSafeEqual(sign(key, pod, slotText, timestamp, nonce), received))) {
		return invalid('key');
	}
	if (pod !== check.pod) {
		return invalid('pod');
	}
	if (Math.abs(check.now - Number(timestamp)) > check.maxSkewMs) {
		return invalid('skew');
	}
	return { kind: 'found', slot, nonce, length: end + 2 };
}

function sign(key: string, pod: string, slot: string, timestamp: string, nonce: string): Buffer {
	return createHmac('sha256', key).update(`${pod}|${slot}|${timestamp}|${nonce}`).digest();
}

function invalid(reason: 'malformed' | 'key' | 'skew' | 'pod'): PreambleResult {
	return { kind: 'invalid', reason };
}
