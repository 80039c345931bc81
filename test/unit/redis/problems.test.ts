import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeRedisError, findVersionProblem } from '../../../src/redis/problems.ts';

test('each way in which Redis fails has a reason and says what to do', () => {
	const refused = Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' });
	const cases: readonly (readonly [unknown, string, RegExp])[] = [
		[refused, 'refused', /nothing listens/],
		[new Error('WRONGPASS invalid username-password pair or user is disabled.'), 'auth', /redisPassword/],
		[new Error('NOAUTH Authentication required.'), 'auth', /redisPassword/],
		[new Error("NOPERM this user has no permissions to run the 'xadd' command"), 'auth', /ACL/],
		[new Error("READONLY You can't write against a read only replica."), 'read-only', /replica/],
		[new Error("OOM command not allowed when used memory > 'maxmemory'."), 'out-of-memory', /maxmemory/],
		[new Error('WRONGTYPE Operation against a key holding the wrong kind of value'), 'wrong-type', /prefix/],
		[new Error('Command timed out'), 'timeout', /in time/],
		[Object.assign(new Error('getaddrinfo ENOTFOUND nowhere'), { code: 'ENOTFOUND' }), 'unreachable', /resolved/],
		["Stream isn't writeable and enableOfflineQueue options is false", 'unreachable', /reached/],
		[new Error('something new'), 'other', /something new/],
	];
	for (const [error, reason, sentence] of cases) {
		const problem = describeRedisError(error, 'redis:6379');
		assert.equal(problem.reason, reason, String(error));
		assert.match(problem.sentence, sentence);
		assert.match(problem.sentence, /redis:6379/);
	}
});

test('versions below 6.2 are refused, and what does not tell its version is not', () => {
	for (const version of ['2.8.24', '5.0.14', '6.0.16', '6.1.240']) {
		assert.match(findVersionProblem(`# Server\r\nredis_version:${version}\r\n`) ?? '', /6\.2 or newer/);
	}
	for (const info of ['redis_version:6.2.0', 'redis_version:7.0.15', 'redis_version:10.1.0', '']) {
		assert.equal(findVersionProblem(info), undefined);
	}
});
