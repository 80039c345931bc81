/** Rows about clients that come back: 5, 6, 11 and 14. */
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import type { Scope } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { addEntry } from '../support/write-entries.ts';
import { startFront } from './support/front.ts';
import type { NodeProcess } from './support/node-process.ts';
import type { Kind } from './support/protocol.ts';
import { drop, giveOffset, join, STREAM, testRow } from './support/row.ts';
import { readSessions } from './support/session-records.ts';

const portOf = ({ url }: NodeProcess): number => Number(new URL(url).port);

function openRedis(t: Scope, url: string): Redis {
	const redis = new Redis(url, { replyMapping: 'legacy' });
	redis.on('error', () => undefined);
	t.after(() => redis.disconnect());
	return redis;
}

/** As another server would: in the official format, `perCommand` at a time. */
async function addEntries(redis: Redis, count: number, maxLen: number, event: string, room?: string): Promise<void> {
	const opts = { rooms: room === undefined ? [] : [room], except: [], flags: {} };
	for (let sent = 0; sent < count; sent += 500) {
		const pipeline = redis.pipeline();
		for (let i = sent; i < Math.min(count, sent + 500); i++) {
			const data = JSON.stringify({ packet: { type: 2, data: [event, i], nsp: '/' }, opts });
			const entry = { fields: ['uid', 'emitter', 'nsp', '/', 'type', '3', 'data', data], maxLen };
			addEntry(pipeline, STREAM, room === undefined ? entry : { ...entry, room });
		}
		await pipeline.exec();
	}
}

testRow({
	number: 5,
	name: 'a server that was passed by the trim tells its clients that they missed something',
	officially: /waited \d+ ms for all messages, or for being told/,
	scenario: async ({ t, redis, start, wait }) => {
		const node = await start({ options: { pingIntervalMs: 60_000, pingTimeoutMs: 60_000 } });
		const client = await join(t, node.url);
		await giveOffset(node, client);
		node.kill('SIGSTOP');
		const count = 5000;
		const writer = openRedis(t, redis.url);
		// What was pushed to it waits in Redis until that takes too much memory.
		await writer.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
		await addEntries(writer, count, 1000, 'n');
		node.kill('SIGCONT');
		await wait('all messages, or for being told', () => client.of('n').length === count || client.connects.length > 1);
		assert.deepEqual(client.connects, [false, false]);
	},
});

testRow({
	number: 6,
	name: 'what was sent within the recovery window is kept, however much it was',
	officially: /was not recovered/,
	scenario: async ({ t, redis, kind, start, wait }) => {
		const node = await start();
		const client = await join(t, node.url);
		await giveOffset(node, client);
		const { letBack } = drop(client);
		await wait('the client to be gone', async () => (await node.order<{ sockets: number }>('state')).sockets === 0);
		await node.order('emit', { args: ['missed', 1] });
		// More than the official adapter keeps; each side trims as it does.
		const maxLen = kind === 'official' ? 10_000 : 1_000_000;
		await addEntries(openRedis(t, redis.url), 12_000, maxLen, 'others', 'elsewhere');
		letBack();
		await wait('the client to be back', () => client.connects.length === 2);
		assert.equal(client.connects[1], true, 'was not recovered');
		await wait('what it missed', () => client.of('missed').length === 1);
	},
});

testRow({
	number: 11,
	name: 'a client that missed nothing costs next to nothing, however long the stream is',
	officially: /bytes were read/,
	scenario: async ({ t, redis, start, wait }) => {
		const node = await start();
		const direct = openRedis(t, redis.url);
		const client = await join(t, node.url);
		await giveOffset(node, client);
		const { letBack } = drop(client);
		await wait('the client to be gone', async () => (await node.order<{ sockets: number }>('state')).sockets === 0);
		await addEntries(direct, 8000, 100_000, 'others', 'elsewhere');
		// A bystander hears the last one: by then this server has read all of them.
		const bystander = await join(t, node.url);
		await giveOffset(node, bystander);
		const sent = async (): Promise<number> => Number(/total_net_output_bytes:(\d+)/.exec(await direct.info('stats'))?.[1] ?? 0);
		const before = await sent();
		letBack();
		await wait('the client to be back', () => client.connects.length === 2);
		const bytes = (await sent()) - before;
		assert.equal(client.connects[1], true);
		assert.ok(bytes < 200_000, `${bytes} bytes were read`);
	},
});

testRow({
	number: 14,
	name: 'a session outlives the worker that held it',
	officially: /was not recovered/,
	scenario: async ({ t, redis, kind, start, wait }) => {
		const direct = openRedis(t, redis.url);
		const [first, second] = await Promise.all([start({ pod: 'AAAA' }), start({ pod: 'BBBB' })]);
		const front = await startFront(t, portOf(first));
		const client = await join(t, front.url, { rooms: ['room'] });
		await giveOffset(first, client);
		await wait('the session to be saved', () => isSaved(kind, direct));
		first.kill('SIGKILL');
		front.setTarget(portOf(second));
		await second.order('emit', { rooms: ['room'], args: ['missed', 1] });
		await wait('the client to be back', () => client.connects.length === 2);
		assert.equal(client.connects[1], true, 'was not recovered');
		await wait('what it missed', () => client.of('missed').length === 1);
		assert.ok((await client.socket.timeout(20_000).emitWithAck('rooms')).includes('room'));
		await second.order('emit', { rooms: ['room'], args: ['live', 1] });
		await wait('what comes next', () => client.of('live').length === 1);
		assert.equal(client.of('missed').length, 1);
	},
});

/** The room is in the session that Redis has. The official adapter saves none of a client that is there. */
async function isSaved(kind: Kind, redis: Redis): Promise<boolean> {
	return kind === 'official' || (await readSessions(redis)).some(({ stays }) => stays.some(({ room }) => room === 'room'));
}

testRow({
	number: 14,
	name: 'a client that returns elsewhere while its old connection counts as alive is taken over',
	officially: /was not recovered/,
	scenario: async ({ t, redis, kind, start, wait }) => {
		const direct = openRedis(t, redis.url);
		const options = { pingIntervalMs: 300_000, pingTimeoutMs: 300_000 };
		const [first, second] = await Promise.all([start({ pod: 'AAAA', options }), start({ pod: 'BBBB', options })]);
		const front = await startFront(t, portOf(first));
		const client = await join(t, front.url, { rooms: ['room'] });
		await giveOffset(first, client);
		await wait('the session to be saved', () => isSaved(kind, direct));
		// The network swallows everything from now on: the first server is never told that the client has gone.
		front.swallow();
		front.setTarget(portOf(second));
		drop(client).letBack();
		await wait('the client to be back', () => client.connects.length === 2);
		assert.equal(client.connects[1], true, 'was not recovered');
		await wait('the old socket to be gone', async () => (await first.order<{ sockets: number }>('state')).sockets === 0);
		await first.order('emit', { rooms: ['room'], args: ['after', 1] });
		await wait('a message', () => client.of('after').length === 1);
	},
});

testRow({
	number: 14,
	name: 'who was thrown out while away does not come back in',
	officially: /came back in/,
	scenario: async ({ t, start, wait }) => {
		const node = await start();
		const client = await join(t, node.url, { rooms: ['user-1', 'hall'] });
		await giveOffset(node, client);
		const { letBack } = drop(client);
		await wait('the client to be gone', async () => (await node.order<{ sockets: number }>('state')).sockets === 0);
		await node.order('kick', { rooms: ['user-1'] });
		letBack();
		await wait('the client to be back', () => client.connects.length === 2);
		assert.equal(client.connects[1], false, 'came back in');
	},
});

testRow({
	number: 14,
	name: 'who is thrown out while the middlewares of its return still run does not come back in',
	officially: /came back in/,
	scenario: async ({ t, redis, start, wait }) => {
		const direct = openRedis(t, redis.url);
		const node = await start();
		const client = await join(t, node.url, { rooms: ['user-1'] });
		await giveOffset(node, client);
		const { letBack } = drop(client);
		await wait('the client to be gone', async () => (await node.order<{ sockets: number }>('state')).sockets === 0);
		await wait('its session to be free', () => isFree(direct));
		client.socket.auth = { rooms: ['user-1'], delayMs: 8000 };
		letBack();
		await waitFor('its session to be taken', async () => !(await isFree(direct)), { timeoutMs: 60_000 });
		await node.order('kick', { rooms: ['user-1'] });
		await waitFor('the client to be back', () => client.connects.length === 2, { timeoutMs: 60_000 });
		assert.equal(client.connects[1], false, 'came back in');
	},
});

/** The session of an absent client, in our form or the official one. */
async function isFree(redis: Redis): Promise<boolean> {
	const [ours] = await redis.keys('socketfleet:default:session:*');
	return ours === undefined ? (await redis.keys('sio:session:*')).length > 0 : (await redis.hget(ours, 'o')) === '';
}

testRow({
	number: 14,
	name: 'a room that was taken from an absent client is gone when it returns, and nothing of it comes',
	officially: /heard the room/,
	scenario: async ({ t, start, wait }) => {
		const node = await start();
		const client = await join(t, node.url, { rooms: ['user-1', 'hall'] });
		await giveOffset(node, client);
		const { letBack } = drop(client);
		await wait('the client to be gone', async () => (await node.order<{ sockets: number }>('state')).sockets === 0);
		const witness = await join(t, node.url, { rooms: ['gallery'] });
		await node.order('emit', { rooms: ['hall'], args: ['before', 1] });
		await node.order('leave', { rooms: ['user-1'], args: ['hall'] });
		await node.order('emit', { rooms: ['hall'], args: ['after', 1] });
		await node.order('emit-volatile', { rooms: ['user-1'], args: ['volatile', 1] });
		await node.order('emit', { rooms: ['user-1', 'gallery'], args: ['last', 1] });
		// An order is answered before the stream has brought what it sent: who is back sooner gets a volatile message like everyone who is there.
		await wait('the stream to have brought it all', () => witness.of('last').length === 1);
		letBack();
		await wait('what it missed', () => client.of('last').length === 1);
		assert.equal(client.of('before').length, 1);
		assert.equal(client.of('after').length, 0, 'heard the room');
		assert.equal(client.of('volatile').length, 0, 'a volatile message was kept');
	},
});

testRow({
	number: 14,
	name: 'a client whose token has expired is sent nothing, and may try again with another',
	officially: /was sent what it missed/,
	scenario: async ({ t, start, wait }) => {
		const node = await start();
		const client = await join(t, node.url, { rooms: ['hall'] });
		await giveOffset(node, client);
		const { letBack } = drop(client);
		await wait('the client to be gone', async () => (await node.order<{ sockets: number }>('state')).sockets === 0);
		await node.order('emit', { rooms: ['hall'], args: ['missed', 1] });
		const refusals: string[] = [];
		// What a client that isn't let in receives is on the wire; the stock client keeps it back.
		let wire = '';
		client.socket.io.on('packet', (packet) => {
			wire += JSON.stringify(packet.data ?? '');
		});
		client.socket.on('connect_error', ({ message }) => refusals.push(message));
		client.socket.auth = { rooms: ['hall'], token: 'expired', delayMs: 300 };
		letBack();
		await wait('the refusal', () => refusals.includes('expired'));
		assert.ok(!wire.includes('missed'), 'was sent what it missed');
		client.socket.auth = { rooms: ['hall'] };
		client.socket.connect();
		await wait('the client to be back', () => client.connects.length === 2);
		assert.equal(client.connects[1], true);
		await wait('what it missed', () => client.of('missed').length === 1);
	},
});

testRow({
	number: 14,
	name: 'a volatile message does not take the place of the offset',
	officially: /was not recovered/,
	scenario: async ({ t, start, wait }) => {
		const node = await start();
		const client = await join(t, node.url);
		await giveOffset(node, client);
		await wait('a volatile message', async () => {
			await node.order('emit-volatile', { args: ['typing', 'bob'] });
			return client.of('typing').length > 0;
		});
		await node.order('cut');
		await wait('the client to be back', () => client.connects.length === 2);
		assert.equal(client.connects[1], true, 'was not recovered');
	},
});
