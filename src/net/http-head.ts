/**
 * Reads just enough of an HTTP/1 request to route it: the request line and header fields, with a size cap. Pure.
 * Stricter than the server behind it, so that the two can't disagree about where a head ends. RFC 9112, sections 2 to 5.
 */

export interface RequestHead {
	readonly method: string;
	/** As on the request line: `/socket.io/?EIO=4&sid=...`. */
	readonly target: string;
	/** The values of every field line of that name, in order; case-insensitive. */
	header(name: string): readonly string[];
}

export type HeadResult =
	| { readonly kind: 'need-more' }
	/** `length` bytes belong to the head, the empty line included. */
	| { readonly kind: 'found'; readonly head: RequestHead; readonly length: number }
	| { readonly kind: 'invalid'; readonly reason: string }
	| { readonly kind: 'too-large' };

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TLS_HANDSHAKE = 0x16;
const END_OF_HEAD = '\r\n\r\n';
/** The longest that Node's parser knows is `M-SEARCH`, `PROPPATCH`, `UNSUBSCRIBE`: 11. */
const MAX_METHOD_BYTES = 16;
const REQUEST_LINE = /^([A-Z][A-Z-]*) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.[01]$/;
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/;

/** Called with everything received so far, again with more bytes after each `need-more`. */
export function scanHead(bytes: Buffer, maxHeadBytes: number): HeadResult {
	const start = skipEmptyLine(bytes);
	const refusal = refuseEarly(bytes, start);
	if (refusal !== undefined) {
		return { kind: 'invalid', reason: refusal };
	}
	const end = bytes.indexOf(END_OF_HEAD, start, 'latin1');
	const length = end + END_OF_HEAD.length;
	if (end === -1) {
		return bytes.length < maxHeadBytes ? { kind: 'need-more' } : { kind: 'too-large' };
	}
	if (length > maxHeadBytes) {
		return { kind: 'too-large' };
	}
	return parseHead(bytes.toString('latin1', start, end), length);
}

/** Old clients send an empty line after the body of the request before; one may be ignored (RFC 9112, 2.2). */
function skipEmptyLine(bytes: Buffer): number {
	return bytes[0] === CR && (bytes.length === 1 || bytes[1] === LF) ? Math.min(bytes.length, 2) : 0;
}

/** A reason if the bytes from `start` can't become a request line, however they go on. */
function refuseEarly(bytes: Buffer, start: number): string | undefined {
	if (bytes[start] === TLS_HANDSHAKE) {
		return 'TLS on a port that speaks plain HTTP';
	}
	const limit = Math.min(bytes.length, start + MAX_METHOD_BYTES + 1);
	for (let index = start; index < limit; index++) {
		const byte = bytes[index];
		if (byte === SPACE && index > start) {
			return undefined;
		}
		if (!isMethodByte(byte) || index === start + MAX_METHOD_BYTES) {
			return 'not an HTTP request';
		}
	}
	return undefined;
}

/** `A` to `Z` and `-`. */
function isMethodByte(byte: number | undefined): boolean {
	return byte !== undefined && ((byte >= 0x41 && byte <= 0x5a) || byte === 0x2d);
}

function parseHead(text: string, length: number): HeadResult {
	const [requestLine = '', ...lines] = text.split('\r\n');
	const [, method, target] = REQUEST_LINE.exec(requestLine) ?? [];
	if (method === undefined || target === undefined) {
		return { kind: 'invalid', reason: 'malformed request line' };
	}
	const fields = new Map<string, string[]>();
	for (const line of lines) {
		const [, name, value] = FIELD_LINE.exec(line) ?? [];
		if (name === undefined || value === undefined) {
			return { kind: 'invalid', reason: 'malformed header field' };
		}
		const key = name.toLowerCase();
		const values = fields.get(key);
		if (values) {
			values.push(value.trimEnd());
		} else {
			fields.set(key, [value.trimEnd()]);
		}
	}
	const head: RequestHead = { method, target, header: (name) => fields.get(name.toLowerCase()) ?? [] };
	return { kind: 'found', head, length };
}

/**
 * The `sid` parameter when `target` is under the Socket.IO `path`. A target with two of them has none: engine.io finds no session either.
 * The text is the client's: only `parseSessionId` says whether it can be an id.
 */
export function sessionIdOf(target: string, path: string): string | undefined {
	const prefix = path.endsWith('/') ? path : `${path}/`;
	const question = target.indexOf('?');
	if (question === -1 || !target.startsWith(prefix)) {
		return undefined;
	}
	const [id, ...others] = new URLSearchParams(target.slice(question + 1)).getAll('sid');
	return others.length === 0 ? id : undefined;
}
