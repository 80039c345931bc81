/** Tokens: who is let in, and what for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimiter } from '../../../src/emit/rate.ts';
import { authenticate, buildInlineTokens, findDenial, parseTokensFile, type Token } from '../../../src/emit/tokens.ts';

const NOW = Date.parse('2026-06-01T00:00:00Z');

function tokenOf(row: object): Token {
	const [token] = parseTokensFile(JSON.stringify({ tokens: [{ name: 'it', token: '0123456789abcdef', ...row }] }), 100);
	assert.ok(token);
	return token;
}

test('the bearer of a known token is let in, until it expires', () => {
	const tokens = [...buildInlineTokens(['first-token-123456', 'second-token-12345'], 5), tokenOf({ expires: '2026-06-01T00:00:01Z' })];
	const nameOf = (header: string | undefined, now = NOW): string => {
		const result = authenticate(header, tokens, now);
		return result.kind === 'token' ? result.token.name : result.detail;
	};
	assert.equal(nameOf('Bearer first-token-123456'), 'token-1');
	assert.equal(nameOf('bearer  second-token-12345'), 'token-2');
	assert.equal(nameOf('Bearer 0123456789abcdef'), 'it');
	assert.equal(nameOf('Bearer 0123456789abcdef', NOW + 1000), 'token "it" has expired');
	assert.equal(nameOf('Bearer first-token-12345'), 'this token is not known');
	for (const header of [undefined, '', 'Bearer', 'Basic first-token-123456', 'first-token-123456']) {
		assert.equal(nameOf(header), 'send a token: Authorization: Bearer <token>');
	}
});

test('scopes: verbs, namespaces and prefixes of rooms; everyone is more than any room', () => {
	const scoped = tokenOf({ verbs: ['emit'], namespaces: ['/shop'], roomPrefixes: ['order:', 'cart:'] });
	const scopeOf = (namespace: string, rooms?: string[]): string | undefined => findDenial(scoped, 'emit', [{ namespace, rooms }])?.scope;
	assert.equal(scopeOf('/shop', ['order:1', 'cart:2']), undefined);
	assert.equal(scopeOf('/shop', ['order:1', 'user:2']), 'roomPrefixes');
	assert.equal(scopeOf('/shop'), 'roomPrefixes');
	assert.equal(scopeOf('/', ['order:1']), 'namespaces');
	assert.equal(findDenial(scoped, 'read', [])?.detail, 'token "it" may not read; it may emit');
	assert.equal(findDenial(tokenOf({}), 'disconnect', [{ namespace: '/any', rooms: undefined }]), undefined);
	assert.equal(findDenial(tokenOf({ verbs: [] }), 'emit', [])?.scope, 'verbs');
});

test('a bad tokens file is refused with the field, and never quoted', () => {
	const table: readonly (readonly [string, RegExp])[] = [
		['{"tokens":[{"name":"x","token":"secret-secret', /^the tokens file is not JSON$/],
		['{"tokens":[{"name":"x","token":"too-short"}]}', /tokens\/0\/token must NOT have fewer than 16/],
		['{"tokens":[{"name":"x","token":"secret-secret-secret","verb":["emit"]}]}', /tokens\/0\/verb is not a known field/],
		['{"tokens":[{"name":"x","token":"secret-secret-secret","expires":"next week"}]}', /tokens\/0\/expires must be a date/],
		['{}', /tokens is missing/],
	];
	for (const [text, expected] of table) {
		assert.throws(
			() => parseTokensFile(text, 1),
			(error: Error) => expected.test(error.message) && !error.message.includes('secret-secret'),
		);
	}
});

test('a bucket holds one second of messages and fills while time passes', () => {
	const limiter = new RateLimiter();
	assert.deepEqual(limiter.take('a', 4, 10, 0), { kind: 'taken', remaining: 6 });
	assert.deepEqual(limiter.take('a', 6, 10, 0), { kind: 'taken', remaining: 0 });
	assert.deepEqual(limiter.take('a', 1, 10, 0), { kind: 'wait', afterMs: 100, remaining: 0 });
	assert.deepEqual(limiter.take('b', 1, 10, 0), { kind: 'taken', remaining: 9 });
	assert.deepEqual(limiter.take('a', 5, 10, 500), { kind: 'taken', remaining: 0 });
	assert.deepEqual(limiter.take('a', 10, 10, 60_000), { kind: 'taken', remaining: 0 });
	assert.deepEqual(limiter.take('a', 11, 10, 60_000), { kind: 'never', capacity: 10 });
});
