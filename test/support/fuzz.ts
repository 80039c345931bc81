/** Random input for the byte parsers, the same for the same seed, and the properties that must hold for any input. */
import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { clientAddressFrom, createTrust } from '../../src/net/client-address.ts';
import { scanHead, sessionIdOf } from '../../src/net/http-head.ts';
import { buildPreamble, parsePreamble } from '../../src/net/peer-preamble.ts';
import { parseProxyHeader } from '../../src/net/proxy-protocol.ts';
import { parseSessionId } from '../../src/net/session-id.ts';

/** Uniform in [0, 1). Mulberry32: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
export function createRandom(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
	};
}

interface Verdict {
	readonly kind: string;
	readonly length?: number;
	readonly reason?: string;
}

interface ParserCase {
	readonly name: string;
	readonly parse: (bytes: Buffer) => Verdict;
	/** Valid inputs; most random inputs are made of these by damaging them, since plain noise rarely gets past the first byte. */
	readonly samples: readonly Buffer[];
}

export const KEY = 'fuzz-key-0123456789';
export const PREAMBLE_CHECK = { keys: [KEY], pod: 'AbC4', now: 1_700_000_000_000, maxSkewMs: 30_000 };
const MAX_HEAD_BYTES = 160;
const V2_SIGNATURE = '0d0a0d0a000d0a515549540a';

export const PARSERS: readonly ParserCase[] = [
	{
		name: 'parseProxyHeader',
		parse: parseProxyHeader,
		samples: [
			Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\nGET / HTTP/1.1\r\n'),
			Buffer.from('PROXY TCP6 2001:db8::7 ::1 65535 0\r\n'),
			Buffer.from('PROXY UNKNOWN whatever\r\n'),
			Buffer.from(`${V2_SIGNATURE}2111000ccb007107c0000201dc0401bb474554`, 'hex'),
			Buffer.from(`${V2_SIGNATURE}21210028${'20010db8'.repeat(8)}dc0401bb04000141`, 'hex'),
			Buffer.from(`${V2_SIGNATURE}20000000`, 'hex'),
		],
	},
	{
		name: 'scanHead',
		parse: (bytes) => scanHead(bytes, MAX_HEAD_BYTES),
		samples: [
			Buffer.from('GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n'),
			Buffer.from('\r\nPOST /socket.io/?sid=abc HTTP/1.0\r\nContent-Length: 2\r\n\r\n40'),
		],
	},
	{
		name: 'parsePreamble',
		parse: (bytes) => parsePreamble(bytes, PREAMBLE_CHECK),
		samples: [buildPreamble({ key: KEY, pod: 'AbC4', slot: 5, now: PREAMBLE_CHECK.now, nonce: 'nonce-0123456789' })],
	},
];

const KINDS = new Set(['need-more', 'found', 'invalid', 'too-large']);
const isTrusted = createTrust(['10.0.0.0/8', '::1/128', 'fc00::/7']);

/** Feeds `count` random inputs to every parser in turn. Throws with the input in hex when a property does not hold. */
export function fuzzParsers(count: number, seed: number): Map<string, number> {
	const random = createRandom(seed);
	const seen = new Map<string, number>();
	for (let index = 0; index < count; index++) {
		const target = PARSERS[index % PARSERS.length];
		assert.ok(target);
		const bytes = makeInput(target.samples, random);
		const cut = Math.floor(random() * (bytes.length + 1));
		try {
			const verdict = checkVerdict(target, bytes, cut);
			const key = `${target.name} ${verdict.kind}`;
			seen.set(key, (seen.get(key) ?? 0) + 1);
			checkTexts(bytes.toString('latin1'));
		} catch (error) {
			throw new Error(`${target.name}, cut at ${cut}: ${bytes.toString('hex')}`, { cause: error });
		}
	}
	return seen;
}

/** A verdict on the first bytes is final: what comes later never changes it. */
function checkVerdict(target: ParserCase, bytes: Buffer, cut: number): Verdict {
	const whole = target.parse(bytes);
	const early = target.parse(bytes.subarray(0, cut));
	assert.ok(KINDS.has(whole.kind));
	assert.ok((whole.length ?? 0) <= bytes.length);
	if (early.kind !== 'need-more') {
		assert.equal(early.kind, whole.kind);
		assert.equal(early.length, whole.length);
		assert.equal(early.reason, whole.reason);
	}
	return whole;
}

/** Texts that come from clients: never a throw, and an address stays an address. */
function checkTexts(text: string): void {
	sessionIdOf(`/socket.io/?${text}`, '/socket.io/');
	const owner = parseSessionId(text.slice(0, 20));
	assert.ok(owner === undefined || (owner.slot >= 0 && owner.slot < 64));
	assert.notEqual(isIP(clientAddressFrom('10.0.0.1', [text], isTrusted)), 0);
}

function makeInput(samples: readonly Buffer[], random: () => number): Buffer {
	const pick = (limit: number) => Math.floor(random() * limit);
	if (random() < 0.1) {
		return Buffer.from(Array.from({ length: pick(64) }, () => pick(256)));
	}
	const bytes = [...(samples[pick(samples.length)] ?? [])];
	for (let damage = pick(4); damage > 0; damage--) {
		const at = pick(bytes.length + 1);
		switch (pick(4)) {
			case 0:
				bytes.splice(at, 1, pick(256));
				break;
			case 1:
				bytes.splice(at, 0, ...Array.from({ length: pick(200) }, (_, index) => bytes[index] ?? 0x61));
				break;
			case 2:
				bytes.splice(at, pick(8));
				break;
			default:
				bytes.length = at;
		}
	}
	return Buffer.from(bytes);
}
