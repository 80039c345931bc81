/** A request's body as JSON, within a limit. */
import type { IncomingMessage } from 'node:http';
import { messageOf } from '../base/errors.ts';
import { decodeJsonBinary } from './payload.ts';

export type Body =
	| { readonly kind: 'json'; readonly value: unknown }
	| { readonly kind: 'too-large' }
	| { readonly kind: 'invalid'; readonly pointer: string; readonly detail: string }
	/** The client went away in the middle: nobody is there to be answered. */
	| { readonly kind: 'gone' };

export async function readJson(req: IncomingMessage, maxBytes: number): Promise<Body> {
	if ((req.headers['content-encoding'] ?? 'identity') !== 'identity') {
		return { kind: 'invalid', pointer: '', detail: 'must not be compressed (Content-Encoding)' };
	}
	const bytes = await readBytes(req, maxBytes);
	return typeof bytes === 'string' ? { kind: bytes } : parseJson(bytes.toString('utf8'));
}

/**
 * A body that is too large is read to its end and thrown away, up to a point: closing a connection on which bytes still come
 * in resets it, and the client would lose the answer.
 */
const MAX_DISCARDED = 16;

function readBytes(req: IncomingMessage, maxBytes: number): Promise<Buffer | 'too-large' | 'gone'> {
	return new Promise((resolve) => {
		const chunks: Buffer[] = [];
		let length = 0;
		req.on('data', (chunk: Buffer) => {
			length += chunk.length;
			if (length <= maxBytes) {
				chunks.push(chunk);
			} else if (length > maxBytes * MAX_DISCARDED) {
				resolve('too-large');
			}
		});
		req.once('end', () => {
			if (length > maxBytes) {
				resolve('too-large');
			} else {
				resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
			}
		});
		req.once('error', () => resolve('gone'));
		req.once('close', () => resolve('gone'));
	});
}

function parseJson(text: string): Body {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch (error) {
		return { kind: 'invalid', pointer: '', detail: `the body is not JSON: ${messageOf(error)}` };
	}
	// A walk through everything, for the few that need it.
	if (!text.includes('$binary')) {
		return { kind: 'json', value };
	}
	const decoded = decodeJsonBinary(value, '');
	return decoded.kind === 'bad'
		? { kind: 'invalid', pointer: decoded.pointer, detail: decoded.detail }
		: { kind: 'json', value: decoded.value };
}
