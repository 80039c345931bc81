/**
 * The PROXY header that a TCP proxy puts in front of a connection, versions 1 and 2. Pure: bytes in, a result out.
 * Rules: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
 */
import { isIPv4, isIPv6 } from 'node:net';
import { normalizeAddress } from './client-address.ts';

export interface ProxySource {
	readonly address: string;
	readonly port: number;
}

export type ProxyHeaderResult =
	| { readonly kind: 'need-more' }
	/** `length` bytes belong to the header. No `source`: LOCAL, UNKNOWN or not TCP, so the peer itself is the client. */
	| { readonly kind: 'found'; readonly length: number; readonly source?: ProxySource }
	| { readonly kind: 'invalid'; readonly reason: string };

const V1_PREFIX = Buffer.from('PROXY ', 'latin1');
/** The longest version 1 line, CRLF included (section 2.1). */
const V1_MAX_BYTES = 107;
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_HEAD_BYTES = 16;
/** The format allows 64 KiB of TLVs; real proxies send a few hundred bytes (a TLS name, a VPC endpoint). */
const V2_MAX_BODY_BYTES = 4096;
const V2_ADDRESS_BYTES = { tcp4: 12, tcp6: 36 } as const;
const PORT = /^(0|[1-9]\d{0,4})$/;
const MAX_PORT = 65_535;
const NEED_MORE = { kind: 'need-more' } as const;

/** Called with everything received so far, again with more bytes after each `need-more`. Never asks for more than 4112 bytes. */
export function parseProxyHeader(bytes: Buffer): ProxyHeaderResult {
	if (startsLike(bytes, V2_SIGNATURE)) {
		return bytes.length < V2_HEAD_BYTES ? NEED_MORE : parseV2(bytes);
	}
	if (startsLike(bytes, V1_PREFIX)) {
		return parseV1(bytes);
	}
	return invalid('no PROXY header');
}

/** Are the bytes `prefix`, as far as either goes? */
function startsLike(bytes: Buffer, prefix: Buffer): boolean {
	const length = Math.min(bytes.length, prefix.length);
	return bytes.compare(prefix, 0, length, 0, length) === 0;
}

function parseV1(bytes: Buffer): ProxyHeaderResult {
	const window = bytes.subarray(0, V1_MAX_BYTES);
	const end = window.indexOf('\r\n');
	if (end === -1) {
		return bytes.length < V1_MAX_BYTES ? NEED_MORE : invalid('version 1 line longer than 107 bytes');
	}
	const length = end + 2;
	const [, family, sourceAddress = '', destinationAddress = '', sourcePort = '', destinationPort = '', ...rest] = window
		.toString('latin1', 0, end)
		.split(' ');
	if (family === 'UNKNOWN') {
		return { kind: 'found', length };
	}
	const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIPv6 : undefined;
	if (!isAddress) {
		return invalid('version 1 protocol must be TCP4, TCP6 or UNKNOWN');
	}
	if (!isAddress(sourceAddress) || !isAddress(destinationAddress)) {
		return invalid('version 1 address does not fit its protocol');
	}
	if (!isPort(sourcePort) || !isPort(destinationPort) || rest.length > 0) {
		return invalid('version 1 port is not a number from 0 to 65535');
	}
	return { kind: 'found', length, source: { address: normalizeAddress(sourceAddress), port: Number(sourcePort) } };
}

/** `node:net` takes `fe80::1%eth0` for an address; the format has no zones. */
function isPlainIPv6(text: string): boolean {
	return isIPv6(text) && !text.includes('%');
}

function isPort(text: string): boolean {
	return PORT.test(text) && Number(text) <= MAX_PORT;
}

/** Needs the 16 bytes before the addresses. Layout: signature(12) version|command(1) family|transport(1) length(2) addresses, TLVs. */
function parseV2(bytes: Buffer): ProxyHeaderResult {
	const versionAndCommand = bytes.readUInt8(12);
	const familyAndTransport = bytes.readUInt8(13);
	const bodyBytes = bytes.readUInt16BE(14);
	const command = versionAndCommand & 0x0f;
	if (versionAndCommand >> 4 !== 2 || command > 1) {
		return invalid('version 2 version or command is unknown');
	}
	if (familyAndTransport >> 4 > 3 || (familyAndTransport & 0x0f) > 2) {
		return invalid('version 2 family or transport is unknown');
	}
	if (bodyBytes > V2_MAX_BODY_BYTES) {
		return invalid('version 2 header longer than 4 KiB');
	}
	const length = V2_HEAD_BYTES + bodyBytes;
	const isLocal = command === 0;
	if (!isLocal && bodyBytes < minBodyBytes(familyAndTransport)) {
		return invalid('version 2 addresses are cut short');
	}
	if (bytes.length < length) {
		return NEED_MORE;
	}
	const source = isLocal ? undefined : readV2Source(bytes, familyAndTransport);
	return source ? { kind: 'found', length, source } : { kind: 'found', length };
}

function minBodyBytes(familyAndTransport: number): number {
	switch (familyAndTransport) {
		case 0x11:
			return V2_ADDRESS_BYTES.tcp4;
		case 0x21:
			return V2_ADDRESS_BYTES.tcp6;
		default:
			return 0;
	}
}

function readV2Source(bytes: Buffer, familyAndTransport: number): ProxySource | undefined {
	switch (familyAndTransport) {
		case 0x11:
			return { address: bytes.subarray(16, 20).join('.'), port: bytes.readUInt16BE(24) };
		case 0x21:
			return { address: normalizeAddress(formatIPv6(bytes.subarray(16, 32))), port: bytes.readUInt16BE(48) };
		default:
			return undefined;
	}
}

function formatIPv6(bytes: Buffer): string {
	const groups: string[] = [];
	for (let offset = 0; offset < bytes.length; offset += 2) {
		groups.push(bytes.readUInt16BE(offset).toString(16));
	}
	return groups.join(':');
}

function invalid(reason: string): ProxyHeaderResult {
	return { kind: 'invalid', reason };
}
