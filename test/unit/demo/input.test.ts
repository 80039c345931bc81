import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { Socket } from 'socket.io';
import { createRateLimit, numberOf, onEvent, textOf } from '../../../src/demo/input.ts';

test('a rate limit lets a burst through, then the rate', () => {
	let at = 0;
	const admit = createRateLimit({ perSecond: 2, burst: 3 }, () => at);
	assert.deepEqual([admit(), admit(), admit(), admit()], [true, true, true, false]);
	at = 500;
	assert.deepEqual([admit(), admit()], [true, false]);
	at = 60_000;
	assert.deepEqual([admit(), admit(), admit(), admit()], [true, true, true, false]);
	at = 100; // A clock that goes back gives nothing away.
	assert.equal(admit(), false);
});

test('handlers see fields only, whatever a client sends, and the client is told what was wrong', () => {
	const socket = new EventEmitter();
	const seen: unknown[] = [];
	onEvent(socket as unknown as Socket, 'event', { perSecond: 1, burst: 6 }, (input) => {
		seen.push(input.name);
		return input.name === 'good' ? { done: true } : undefined;
	});
	const answers: unknown[] = [];
	const reply = (answer: unknown): unknown => answers.push(answer);
	for (const args of [
		[],
		[null],
		['text'],
		[reply],
		[{ name: 'bad' }, reply],
		[{ name: 'good' }, 'more', reply],
		[{ name: 'good' }, reply],
	]) {
		socket.emit('event', ...args);
	}
	assert.deepEqual(seen, [undefined, undefined, undefined, undefined, 'bad', 'good']);
	assert.deepEqual(answers, [{ error: 'invalid' }, { error: 'invalid' }, { done: true }, { error: 'too many, slow down' }]);
});

test('texts and numbers of the wrong type or size are not taken', () => {
	assert.equal(textOf('  a\u0000\n b ', 10), 'a  b');
	for (const bad of ['', '  ', 'x'.repeat(11), 5, undefined, { toString: () => 'x' }]) {
		assert.equal(textOf(bad, 10), undefined);
	}
	assert.equal(numberOf(5, 0, 10), 5);
	for (const bad of [-1, 11, NaN, Infinity, '5', null]) {
		assert.equal(numberOf(bad, 0, 10), undefined);
	}
});
