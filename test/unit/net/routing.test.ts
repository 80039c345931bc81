/** Session ids, the ring, the preamble between pods. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildPreamble, type PreambleInput, parsePreamble } from '../../../src/net/peer-preamble.ts';
import { pickSlot } from '../../../src/net/ring.ts';
import { mintPodId, mintSessionId, parseSessionId } from '../../../src/net/session-id.ts';
import { KEY, PREAMBLE_CHECK } from '../../support/fuzz.ts';

test('a session id says who owns it, and nothing else of it repeats', () => {
	const ids = new Set<string>();
	for (let slot = 0; slot < 64; slot++) {
		const pod = mintPodId();
		const id = mintSessionId({ pod, slot });
		assert.match(id, /^[A-Za-z0-9_-]{20}$/);
		assert.deepEqual(parseSessionId(id), { pod, slot });
		ids.add(id.slice(5));
	}
	assert.equal(ids.size, 64);
	assert.throws(() => mintSessionId({ pod: 'abcd', slot: 64 }), RangeError);
	assert.throws(() => mintSessionId({ pod: 'abc', slot: 0 }), RangeError);
	for (const text of ['', 'a'.repeat(19), 'a'.repeat(21), `${'a'.repeat(19)}\n`, `${'a'.repeat(19)}.`, 'ä'.repeat(20)]) {
		assert.equal(parseSessionId(text), undefined);
	}
});

const IPV4_KEYS = Array.from({ length: 20_000 }, (_, index) => `127.${index % 251}.${(index >> 3) % 256}.${index % 256}`);
const IPV6_KEYS = Array.from({ length: 20_000 }, (_, index) => `2001:db8:${(index % 997).toString(16)}::${index.toString(16)}`);
const PORT_KEYS = Array.from({ length: 20_000 }, (_, index) => `127.0.0.1:${32_768 + index}`);

test('the ring spreads addresses evenly, and a slot that goes moves its own keys only', () => {
	for (const keys of [IPV4_KEYS, IPV6_KEYS, PORT_KEYS]) {
		for (const count of [2, 3, 4, 8]) {
			const slots = Array.from({ length: count }, (_, slot) => slot);
			const before = keys.map((key) => pickSlot(key, slots));
			const shares = Map.groupBy(before, (slot) => slot);
			for (const slot of slots) {
				const share = ((shares.get(slot)?.length ?? 0) / keys.length) * count;
				assert.ok(share > 0.93 && share < 1.07, `slot ${slot} of ${count} has ${share} of its share of ${keys[0]}`);
			}
			const dead = count - 1;
			const moved = new Map<number | undefined, number>();
			for (const [index, key] of keys.entries()) {
				const after = pickSlot(
					key,
					slots.filter((slot) => slot !== dead),
				);
				if (before[index] === dead) {
					moved.set(after, (moved.get(after) ?? 0) + 1);
				} else {
					assert.equal(after, before[index]);
				}
			}
			assert.equal(moved.size, count - 1, 'all others take over');
		}
	}
});

test('the ring does not care for the order of slots, and none gives none', () => {
	for (const key of IPV4_KEYS.slice(0, 500)) {
		assert.equal(pickSlot(key, [5, 0, 63, 2]), pickSlot(key, [2, 63, 0, 5]));
	}
	assert.equal(pickSlot('127.0.0.1', []), undefined);
	assert.equal(pickSlot('', [7]), 7);
});

const SAID: PreambleInput = { key: KEY, pod: 'AbC4', slot: 5, now: PREAMBLE_CHECK.now, nonce: 'nonce-0123456789' };

test('a preamble is accepted with the current and the previous key, within the skew', () => {
	const bytes = buildPreamble(SAID);
	assert.ok(bytes.length <= 256);
	const found = { kind: 'found', slot: 5, nonce: 'nonce-0123456789', length: bytes.length };
	assert.deepEqual(parsePreamble(Buffer.concat([bytes, Buffer.from('GET /')]), PREAMBLE_CHECK), found);
	assert.deepEqual(parsePreamble(bytes, { ...PREAMBLE_CHECK, keys: ['another-key-0123456789', KEY] }), found);
	for (const skewMs of [-30_000, 30_000]) {
		assert.deepEqual(parsePreamble(bytes, { ...PREAMBLE_CHECK, now: PREAMBLE_CHECK.now + skewMs }), found);
	}
});

test('a preamble is refused by reason: wrong key, another pod, too old, tampered with, malformed', () => {
	const line = buildPreamble(SAID).toString('latin1');
	const mac = line.trimEnd().slice(-43);
	const cases: [string | Buffer, string, Partial<typeof PREAMBLE_CHECK>?][] = [
		[line, 'key', { keys: ['another-key-0123456789'] }],
		[line, 'key', { keys: [] }],
		[buildPreamble({ ...SAID, key: '' }), 'key', { keys: [''] }],
		[line.replace(' 5 ', ' 6 '), 'key'],
		[line.replace('nonce-0', 'nonce-1'), 'key'],
		[line.replace('AbC4', 'AbC5'), 'key'],
		[line.replace(' 17', ' 18'), 'key'],
		[line, 'pod', { pod: 'AbC5' }],
		[line, 'skew', { now: PREAMBLE_CHECK.now + 30_001 }],
		[line, 'skew', { now: PREAMBLE_CHECK.now - 30_001 }],
		[buildPreamble({ ...SAID, slot: 64 }), 'malformed'],
		[buildPreamble({ ...SAID, nonce: 'short' }), 'malformed'],
		[line.replace(mac, mac.slice(1)), 'malformed'],
		[line.replace(' 5 ', ' 05 '), 'malformed'],
		['GET / HTTP/1.1\r\n', 'malformed'],
		['SOCKETFLEET/2', 'malformed'],
		[`SOCKETFLEET/1 ${'a'.repeat(300)}\r\n`, 'malformed'],
	];
	for (const [input, reason, check] of cases) {
		const bytes = typeof input === 'string' ? Buffer.from(input, 'latin1') : input;
		assert.deepEqual(parsePreamble(bytes, { ...PREAMBLE_CHECK, ...check }), { kind: 'invalid', reason }, bytes.toString());
	}
});
