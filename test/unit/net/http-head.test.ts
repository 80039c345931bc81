import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scanHead, sessionIdOf } from '../../../src/net/http-head.ts';

const LIMIT = 16_384;
const scan = (text: string, limit = LIMIT) => scanHead(Buffer.from(text, 'latin1'), limit);

test('a request head: line, header fields in any case, repeated and empty ones, and where the body begins', () => {
	const text =
		'\r\nPOST /socket.io/?EIO=4&sid=a HTTP/1.1\r\nHost:a\r\nX-Forwarded-For: 1.1.1.1,\t2.2.2.2 \r\nEmpty:\r\nx-FORWARDED-for:  3.3.3.3\r\n\r\nbody';
	const result = scan(text);
	assert.ok(result.kind === 'found');
	assert.equal(text.slice(result.length), 'body');
	const { method, target, header } = result.head;
	assert.deepEqual([method, target], ['POST', '/socket.io/?EIO=4&sid=a']);
	assert.deepEqual(header('X-Forwarded-For'), ['1.1.1.1,\t2.2.2.2', '3.3.3.3']);
	assert.deepEqual([header('HOST'), header('empty'), header('absent')], [['a'], [''], []]);
});

test('the cap: a head of exactly that size passes, one byte more does not, nor one that never ends', () => {
	const head = `GET / HTTP/1.1\r\nA: ${'a'.repeat(100)}\r\n\r\n`;
	assert.equal(scan(head, head.length).kind, 'found');
	assert.equal(scan(head, head.length - 1).kind, 'too-large');
	assert.equal(scan(`GET /${'a'.repeat(200)}`, 200).kind, 'too-large');
	assert.equal(scan(`GET /${'a'.repeat(194)}`, 200).kind, 'need-more');
	assert.equal(scan(`${head}${'b'.repeat(LIMIT)}`).kind, 'found', 'the body does not count');
});

test('what can not become a request is refused at the first byte that shows it', () => {
	for (const start of ['\x16', '\x16\x03\x01', '\r\n\x16']) {
		assert.deepEqual(scan(start), { kind: 'invalid', reason: 'TLS on a port that speaks plain HTTP' });
	}
	for (const start of ['g', ' ', '\0', '\n', '\rX', '\r\n\r\n', 'GE\t', 'GET\r\n', '{"', 'SSH-2', 'ABCDEFGHIJKLMNOPQ']) {
		assert.deepEqual(scan(start), { kind: 'invalid', reason: 'not an HTTP request' }, JSON.stringify(start));
	}
	for (const start of ['', '\r', '\r\n', 'GET', 'M-SEARCH', 'GET /']) {
		assert.equal(scan(start).kind, 'need-more', JSON.stringify(start));
	}
});

test('heads on which two parsers could disagree are refused', () => {
	const requestLines = [
		'GET /',
		'GET / HTTP/2.0',
		'GET / HTTP/1.10',
		'GET  / HTTP/1.1',
		'GET / HTTP/1.1 ',
		'GET /a b HTTP/1.1',
		'PRI * HTTP/2.0',
	];
	for (const line of requestLines) {
		assert.deepEqual(scan(`${line}\r\nHost: a\r\n\r\n`), { kind: 'invalid', reason: 'malformed request line' }, line);
	}
	const fields = ['A : b', ' folded', '\tfolded', ': b', 'no colon', 'A: b\nC: d', 'A: b\rC: d', 'A: \0', 'A(b): c'];
	for (const field of fields) {
		assert.deepEqual(scan(`GET / HTTP/1.1\r\nHost: a\r\n${field}\r\n\r\n`), { kind: 'invalid', reason: 'malformed header field' }, field);
	}
});

test('the session id of a target', () => {
	const cases: [string, string | undefined][] = [
		['/socket.io/?EIO=4&transport=polling&sid=abc', 'abc'],
		['/socket.io/?sid=a%62c&t=1', 'abc'],
		['/socket.io/more?sid=abc', 'abc'],
		['/socket.io/?sid=', ''],
		['/socket.io/?EIO=4', undefined],
		['/socket.io/', undefined],
		['/socket.io?sid=abc', undefined],
		['/other/?sid=abc', undefined],
		['/socket.io/?sid=a&sid=b', undefined],
		['/socket.io/?asid=abc', undefined],
	];
	for (const [target, expected] of cases) {
		assert.equal(sessionIdOf(target, '/socket.io/'), expected, target);
		assert.equal(sessionIdOf(target, '/socket.io'), expected, `${target}, path without slash`);
	}
});
