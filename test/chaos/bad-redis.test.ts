/** A Redis that refuses: said in one clear line, counted, and neither the end of the process nor a busy core. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { lastFirst } from '../support/last-first.ts';
import { type Scope, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { startFront } from './support/front.ts';
import { startNode } from './support/node-process.ts';
import { drop, giveOffset, join, STREAM } from './support/row.ts';

const WAIT = { timeoutMs: 60_000 };
const GUIDE = new URL('../../docs/operations/redis.md', import.meta.url);

interface Refusal {
	readonly name: string;
	/** What `/readyz` says. */
	readonly reason: RegExp;
	/** Gives the address of a Redis that refuses. */
	readonly prepare: (t: Scope) => Promise<string>;
}

const REFUSALS: readonly Refusal[] = [
	{
		name: 'a wrong password',
		reason: /refuses the user or password/,
		prepare: async (t) => {
			const { port } = await startRedis(t, { args: ['--requirepass', 'right'] });
			return `redis://:wrong@127.0.0.1:${port}`;
		},
	},
	{
		name: 'a key of the stream that holds something else',
		reason: /a key of this fleet holds something else/,
		prepare: async (t) => {
			const { url } = await startRedis(t);
			await command(url, (redis) => redis.set(STREAM, 'not a stream'));
			return url;
		},
	},
	{
		name: 'no memory left',
		reason: /out of memory/,
		prepare: async (t) => {
			const { url } = await startRedis(t, { args: ['--maxmemory', '1mb', '--maxmemory-policy', 'noeviction'] });
			return url;
		},
	},
	{
		name: 'a replica',
		reason: /read-only replica/,
		prepare: async (t) => {
			const { port } = await startRedis(t);
			return (await startRedis(t, { args: ['--replicaof', `127.0.0.1 ${port}`] })).url;
		},
	},
	{
		name: 'a version that is too old',
		reason: /Redis is version 5\.\d+; Socketfleet needs 6\.2 or newer/,
		prepare: async (t) => {
			const { port } = await startRedis(t);
			const pretend = (data: Buffer): Buffer => Buffer.from(data.toString('latin1').replace(/(?<=redis_version:)\d/, '5'), 'latin1');
			return `redis://127.0.0.1:${(await startFront(t, port, pretend)).port}`;
		},
	},
	{
		name: 'nothing at that address',
		reason: /nothing listens for Redis/,
		prepare: async (t) => {
			const redis = await startRedis(t);
			await redis.stop();
			return redis.url;
		},
	},
];

async function command(url: string, work: (redis: Redis) => Promise<unknown>): Promise<void> {
	const redis = new Redis(url, { replyMapping: 'legacy' });
	try {
		await work(redis);
	} finally {
		redis.disconnect();
	}
}

for (const { name, reason, prepare } of REFUSALS) {
	test(`Redis with ${name}: local delivery goes on, the reason is told, nothing spins`, async (context) => {
		const t = lastFirst(context);
		const node = await startNode(t, { kind: 'ours', redisUrl: await prepare(t) });
		const client = await join(t, node.url, { rooms: ['room'] });
		for (let i = 0; i < 10; i++) {
			await node.order('emit', { args: ['hello', i] });
		}
		await waitFor('local delivery', () => client.of('hello').length === 10, WAIT);
		assert.deepEqual(client.of('hello'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
		await waitFor('the reason', async () => reason.test((await node.order<string[]>('reasons')).join('; ')), WAIT);
		const before = await cpuMs(node);
		const heard = client.of('tick').length;
		// As long as it takes to send and hear twenty messages one after the other: no clock of ours, and time for a loop to show.
		for (let i = 1; i <= 20; i++) {
			await node.order('emit', { args: ['tick', i] });
			await waitFor('a tick', () => client.of('tick').length === heard + i, WAIT);
		}
		assert.ok((await cpuMs(node)) - before < 2000, 'CPU');
		const counted = await node.order<number>('metric', { args: ['socketfleet_publish_total'] });
		assert.ok(counted >= 30, `each message is counted, with what became of it: ${counted}`);
		assert.equal(node.exit(), undefined);
	});
}

async function cpuMs(node: Awaited<ReturnType<typeof startNode>>): Promise<number> {
	return (await node.order<{ cpuMs: number }>('state')).cpuMs;
}

test('a user with the rights of the guide is served; one without channels publishes nothing, hears its own pod, and the reason says so', async (context) => {
	const t = lastFirst(context);
	const redis = await startRedis(t);
	const direct = new Redis(redis.url, { replyMapping: 'legacy' });
	t.after(() => direct.disconnect());
	const [, rights = ''] = /ACL SETUSER socketfleet on >PASSWORD (.*)/.exec(readFileSync(GUIDE, 'utf8')) ?? [];
	await direct.call('ACL', 'SETUSER', 'whole', 'on', '>secret', ...rights.split(' '));
	await direct.call('ACL', 'SETUSER', 'mute', 'on', '>secret', ...rights.split(' '), 'resetchannels');
	const start = (user: string, pod: string) =>
		startNode(t, { kind: 'ours', redisUrl: redis.url.replace('redis://', `redis://${user}:secret@`), pod });
	const [node, other, mute] = await Promise.all([start('whole', 'AAAA'), start('whole', 'BBBB'), start('mute', 'CCCC')]);
	const client = await join(t, node.url, { rooms: ['room'] });
	await giveOffset(other, client);
	const { letBack } = drop(client);
	await other.order('emit', { rooms: ['room'], args: ['missed', 1] });
	letBack();
	await waitFor('what it missed', () => client.of('missed').length === 1, WAIT);
	assert.deepEqual([client.connects, await node.order('reasons')], [[false, true], []]);
	const own = await join(t, mute.url, { rooms: ['room'] });
	await mute.order('emit', { rooms: ['room'], args: ['near', 1] });
	await waitFor('a message in the pod', () => own.of('near').length === 1, WAIT);
	await waitFor('the reason', async () => /lacks the channels/.test(String(await mute.order('reasons'))), WAIT);
});
