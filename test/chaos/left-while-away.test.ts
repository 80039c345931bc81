/** Taken from a room while away, back, sent what came after it, and the worker that it came back to dies before it saves a session again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { lastFirst } from '../support/last-first.ts';
import { startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { startFront } from './support/front.ts';
import { makeRunDir, type NodeProcess, startNode } from './support/node-process.ts';
import { drop, giveOffset, join } from './support/row.ts';

const WAIT = { timeoutMs: 60_000, everyMs: 1 };
const portOf = ({ url }: NodeProcess): number => Number(new URL(url).port);

test('a room that was taken from an absent client stays gone when the worker that it returned to dies at once', async (context) => {
	const t = lastFirst(context);
	const redis = await startRedis(t);
	const direct = new Redis(redis.url, { replyMapping: 'legacy' });
	t.after(() => direct.disconnect());
	const start = (pod: string) => startNode(t, { kind: 'ours', redisUrl: redis.url, pod, slot: 0, slots: 1, runDir: makeRunDir(t) });
	const [first, second, third] = [await start('AAAA'), await start('BBBB'), await start('CCCC')];
	const front = await startFront(t, portOf(first));
	const client = await join(t, front.url, { rooms: ['left', 'kept'] });
	await giveOffset(third, client);
	await waitFor('the session to be saved', async () => (await direct.keys('socketfleet:default:session:*')).length === 1, WAIT);
	const { letBack } = drop(client);
	await waitFor('the client to be gone', async () => (await first.order<{ sockets: number }>('state')).sockets === 0, WAIT);
	await third.order('leave', { rooms: ['kept'], args: ['left'] });
	await third.order('emit', { rooms: ['kept'], args: ['said', 'after the leave'] });
	front.setTarget(portOf(second));
	letBack();
	await waitFor('what came after', () => client.of('said').length === 1, WAIT);
	second.kill('SIGKILL');
	front.setTarget(portOf(third));
	await waitFor('it to be back', () => client.connects.length === 3 && client.socket.connected, WAIT);
	await third.order('emit', { rooms: ['left'], args: ['said', 'to those in the room'] });
	await third.order('emit', { rooms: ['kept'], args: ['said', 'last'] });
	await waitFor('the last', () => client.of('said').at(-1) === 'last', WAIT);
	assert.deepEqual(
		[client.connects, client.of('said')],
		[
			[false, true, true],
			['after the leave', 'last'],
		],
	);
});
