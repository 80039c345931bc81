import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingOf, withMissing } from '../../../src/adapter/servers/partial-answer.ts';
import { backoffMs } from '../../../src/base/backoff.ts';
import { sleep, withDeadline } from '../../../src/base/deadline.ts';
import { AppError, ERROR_TABLE, type ErrorCode, messageOf, systemCodeOf } from '../../../src/base/errors.ts';
import { Lifecycle } from '../../../src/base/lifecycle.ts';
import { createSilentLogger } from '../../../src/base/log.ts';

test('back-off doubles up to its limit and stays there, and jitter only shortens it', () => {
	const delays = (random: number) =>
		[0, 1, 2, 3, 4, 40, 4000].map((attempt) => backoffMs(attempt, { minMs: 100, maxMs: 1000, random: () => random }));
	assert.deepEqual(delays(0), [100, 200, 400, 800, 1000, 1000, 1000]);
	assert.deepEqual(delays(1), [50, 100, 200, 400, 500, 500, 500]);
	assert.equal(backoffMs(3, { minMs: 100, maxMs: 1000, jitter: 0, random: () => 1 }), 800);
	const drawn = Array.from({ length: 200 }, () => backoffMs(1, { minMs: 100, maxMs: 1000 }));
	assert.ok(new Set(drawn).size > 20 && drawn.every((delay) => delay >= 100 && delay <= 200));
});

test('withDeadline settles as the work does, or rejects when it is late', async (t) => {
	t.mock.timers.enable({ apis: ['setTimeout'] });
	assert.equal(await withDeadline(Promise.resolve(5), 100, 'work'), 5);
	await assert.rejects(withDeadline(Promise.reject(new Error('broken')), 100, 'work'), /broken/);
	const late = withDeadline(Promise.race([]), 100, 'work');
	t.mock.timers.tick(100);
	await assert.rejects(late, { code: 'ERR_DEADLINE', message: 'work took longer than 100 ms', status: 504 });
});

test('sleep ends early without a throw when it is aborted', async () => {
	const stop = new AbortController();
	const sleeping = sleep(60_000, stop.signal);
	stop.abort();
	await sleeping;
	await sleep(60_000, stop.signal);
	await sleep(1);
});

test('an error carries its row of the table, and a cause', () => {
	const cause = new Error('inner');
	const error = new AppError('ERR_FORBIDDEN', 'no', { cause });
	assert.deepEqual([error.code, error.status, error.exitCode, error.cause, error.name], ['ERR_FORBIDDEN', 403, 9, cause, 'AppError']);
	for (const code of Object.keys(ERROR_TABLE) as ErrorCode[]) {
		const { status, exitCode, doc } = ERROR_TABLE[code];
		assert.match(code, /^ERR_[A-Z_]+$/);
		assert.ok(status >= 400 && status <= 599 && exitCode >= 2 && exitCode <= 63);
		assert.match(doc, /\.$/);
	}
	assert.deepEqual(
		[messageOf(error), messageOf(new TypeError()), messageOf('text'), messageOf(undefined)],
		['no', 'TypeError', 'text', 'undefined'],
	);
	assert.deepEqual(
		[systemCodeOf(Object.assign(new Error(), { code: 'EPIPE' })), systemCodeOf(new Error()), systemCodeOf('EPIPE')],
		['EPIPE', undefined, undefined],
	);
});

test('what was started is closed in reverse order, past failures, once', async () => {
	const closed: string[] = [];
	const lifecycle = new Lifecycle(createSilentLogger());
	const part = lifecycle.add('first', { close: () => void closed.push('first') });
	lifecycle.add('second', {
		close: () => {
			throw new Error('broken');
		},
	});
	lifecycle.add('third', {
		close: async () => {
			await sleep(1);
			closed.push('third');
		},
	});
	await Promise.all([lifecycle.close(), lifecycle.close()]);
	await lifecycle.close();
	assert.deepEqual(closed, ['third', 'first']);
	assert.equal(typeof part.close, 'function');
});

test('who is missing in an answer is told by the copies that Socket.IO makes of it, too', () => {
	const answer = withMissing([1, 2], ['AAAA/0']).map((value) => value * 2);
	assert.deepEqual([...answer], [2, 4]);
	assert.deepEqual(missingOf(answer), ['AAAA/0']);
	assert.deepEqual(missingOf([1]), []);
});
