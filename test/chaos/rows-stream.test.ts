/** Rows about reading and publishing: 1, 2, 3, 4, 9, 12, 13, 16, 17, 18 of the table in docs/concepts/delivery.md. */
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import type { Scope } from '../support/redis-server.ts';
import { addEntry } from '../support/write-entries.ts';
import { startFront } from './support/front.ts';
import { makeRunDir } from './support/node-process.ts';
import { giveOffset, join, STREAM, type Stage, testRow } from './support/row.ts';

function openRedis(t: Scope, url: string): Redis {
	const redis = new Redis(url, { replyMapping: 'legacy' });
	redis.on('error', () => undefined);
	t.after(() => redis.disconnect());
	return redis;
}

/** An event for everyone, as another server writes it. */
function entryOf(event: string): string[] {
	const data = JSON.stringify({ packet: { type: 2, data: [event, 1], nsp: '/' }, opts: { rooms: [], except: [], flags: {} } });
	return ['uid', 'emitter', 'nsp', '/', 'type', '3', 'data', data];
}

async function writeEvent(redis: Redis, event: string): Promise<void> {
	await addEntry(redis, STREAM, { fields: entryOf(event) });
}

async function infoNumber(redis: Redis, section: string, field: string): Promise<number> {
	const found = new RegExp(`^${field}:(\\d+)`, 'm').exec(await redis.info(section));
	return Number(found?.[1] ?? 0);
}

testRow({
	number: 1,
	name: 'every namespace is written where it is read, whatever its name hashes to',
	officially: /waited \d+ ms for every namespace to hear/,
	scenario: async ({ t, start, wait }) => {
		const paths = ['/a', '/ab', '/abc', '/lobby', '/game', '/whiteboard', '/notifications', '/telemetry'];
		const node = await start({ namespaces: paths, official: { streamCount: 4 } });
		const sender = await start({ namespaces: paths, official: { streamCount: 4 } });
		const clients = await Promise.all(paths.map((path) => join(t, node.url, { path })));
		await wait('every namespace to hear', async () => {
			await Promise.all(paths.map((nsp) => sender.order('emit', { nsp, args: ['hello', 1] })));
			return clients.every((client) => client.of('hello').length > 0);
		});
	},
});

testRow({
	number: 2,
	name: 'an entry that makes no sense is set aside, and what follows is delivered',
	officially: /waited \d+ ms for the message behind it/,
	scenario: async ({ t, kind, redis, start, wait }) => {
		const [node, sender] = await Promise.all([start(), start({ pod: 'BBBB' })]);
		const client = await join(t, node.url);
		await giveOffset(sender, client);
		const writer = openRedis(t, redis.url);
		const hostile = [
			['uid', 'x', 'nsp', '/', 'type', '3', 'data', '{}'],
			['uid', 'x', 'nsp', '/', 'type', '3', 'data', '{"packet":{"type":2,"data":"no list"},"opts":{"rooms":[],"except":[]}}'],
			['uid', 'x', 'nsp', '/', 'type', '3', 'data', '{"packet":null,"opts":{"rooms":{"length":1e9}}}'],
			['uid', 'x', 'nsp', '/', 'type', '4', 'data', '{"opts":{"rooms":[],"except":[]},"rooms":"no list"}'],
			['uid', 'x', 'nsp', '/', 'type', '3', 'data', Buffer.from([0xc1, 0xff]).toString('base64')],
			['uid', 'x', 'nsp', '/', 'type', '3', 'data', '{"__proto__":{"polluted":1}}'],
			['uid', 'x', 'nsp', '/', 'type', 'three', 'data', '{}'],
			['something', 'else'],
		];
		for (const fields of hostile) {
			await addEntry(writer, STREAM, { fields });
		}
		await sender.order('emit', { args: ['behind', 1] });
		await wait('the message behind it', () => client.of('behind').length === 1);
		if (kind === 'ours') {
			assert.equal(await node.order('metric', { args: ['socketfleet_quarantined_entries_total'] }), hostile.length);
		}
	},
});

testRow({
	number: 3,
	name: 'a client that rejects at once does not freeze the event loop',
	officially: /waited \d+ ms for the server to listen/,
	scenario: async ({ start, redis, kind }) => {
		// It is stuck before it listens: the connection that reads is not up yet, and says so at once.
		const node = await start({ officialRedis: { enableOfflineQueue: false }, listenTimeoutMs: kind === 'ours' ? 60_000 : 8000 });
		await redis.stop();
		for (let i = 0; i < 5; i++) {
			await node.order('ping');
		}
	},
});

testRow({
	number: 4,
	name: 'what is added while the reader has no connection is not passed over',
	officially: /waited \d+ ms for what was added meanwhile/,
	scenario: async ({ t, redis, start, wait }) => {
		const node = await start();
		const client = await join(t, node.url);
		const writer = openRedis(t, redis.url);
		await wait('the server to wait for entries', async () =>
			/cmd=xread|name=\S*pushes .* s?sub=[1-9]/.test(String(await writer.client('LIST'))),
		);
		// In one step for Redis: every other connection ends, and an entry is there.
		const transaction = writer.multi().call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').call('CLIENT', 'KILL', 'TYPE', 'pubsub');
		await addEntry(transaction, STREAM, { fields: entryOf('meanwhile') }).exec();
		await wait('what was added meanwhile', () => client.of('meanwhile').length === 1);
	},
});

testRow({
	number: 9,
	name: 'two clients agree on the order, and the offsets of each only grow',
	officially: /order differs|went back/,
	scenario: async ({ t, start, wait }) => {
		const nodes = await Promise.all([start({ pod: 'AAAA' }), start({ pod: 'BBBB' })]);
		const clients = await Promise.all(nodes.map((node) => join(t, node.url)));
		await Promise.all(nodes.map((node) => giveOffset(node, ...clients)));
		const count = 300;
		await Promise.all(nodes.map((node, i) => node.order('emit-many', { args: ['n', count, `sender ${i}`] })));
		const sequences = await wait('all of them to arrive', () => {
			const heard = clients.map((client) => client.offsets.slice(-2 * count));
			return clients.every((client) => client.of('n').length === 2 * count) && heard;
		});
		assert.deepEqual(sequences[0], sequences[1], 'order differs');
		const numbers = sequences[0]?.map((offset) => String(offset).split('-').map(Number) as [number, number]) ?? [];
		numbers.reduce((before, now) => {
			assert.ok(now[0] > before[0] || (now[0] === before[0] && now[1] > before[1]), 'an offset went back');
			return now;
		});
	},
});

testRow({
	number: 12,
	name: 'a message whose acknowledgement was lost is delivered once',
	officially: /delivered twice/,
	scenario: async ({ t, redis, start, wait }) => {
		const front = await startFront(t, redis.port);
		const reader = await start({ pod: 'BBBB' });
		const sender = await start({ redisUrl: `redis://127.0.0.1:${front.port}`, options: { publishTimeoutMs: 10_000 } });
		const client = await join(t, reader.url);
		await giveOffset(sender, client);
		const direct = openRedis(t, redis.url);
		const before = await direct.xlen(STREAM);
		front.holdReplies(true);
		await sender.order('emit', { args: ['once', 1] });
		await wait('the entry to be there', async () => (await direct.xlen(STREAM)) > before);
		front.holdReplies(false);
		front.cut();
		await wait('the next message', async () => {
			await sender.order('emit', { args: ['next', 1] });
			return client.of('next').length > 0;
		});
		assert.equal(client.of('once').length, 1, 'delivered twice');
	},
});

testRow({
	number: 13,
	name: 'a stream that was set back by a failover is read on from where it is',
	officially: /waited \d+ ms for messages of the new master/,
	scenario: async ({ t, redis, start, wait }) => {
		const writer = openRedis(t, redis.url);
		// As if the old master's clock had been an hour ahead of its replica's.
		await writer.xadd(STREAM, `${Date.now() + 3_600_000}-1`, 'uid', 'x', 'nsp', '/none', 'type', '3', 'data', '{}');
		const [node, sender] = await Promise.all([start(), start({ pod: 'BBBB' })]);
		const client = await join(t, node.url);
		await giveOffset(sender, client);
		await writer.del(STREAM);
		await wait('messages of the new master', async () => {
			await sender.order('emit', { args: ['new', 1] });
			return client.of('new').length > 0;
		});
		// What was lost with the old master can't be told: the client must not think that it missed nothing.
		await wait('the client to be told', () => client.connects.length === 2);
		assert.deepEqual(client.connects, [false, false]);
	},
});

testRow({
	number: 13,
	name: 'a Redis that came back empty and was written to before anyone read it is found out, and nobody hears what lies behind the hole',
	officially: /waited \d+ ms for the clients to be told/,
	scenario: async ({ t, redis, start, wait }) => {
		const front = await startFront(t, redis.port);
		const node = await start({ redisUrl: `redis://127.0.0.1:${front.port}` });
		// They are closed at a pace: what goes on meanwhile must not reach those whose turn has not come.
		const clients = await Promise.all(Array.from({ length: 12 }, () => join(t, node.url)));
		await giveOffset(node, ...clients);
		let deceived = 0;
		for (const { socket, connects } of clients) {
			socket.on('behind', () => {
				deceived += connects.length === 1 ? 1 : 0;
			});
		}
		const writer = openRedis(t, redis.url);
		front.holdReplies(true);
		await writeEvent(writer, 'lost');
		await redis.restart();
		await writeEvent(writer, 'behind');
		front.holdReplies(false);
		front.cut();
		await wait('the clients to be told', async () => {
			await writeEvent(writer, 'behind');
			return clients.every(({ connects }) => connects.length === 2);
		});
		assert.ok(clients.every(({ connects }) => connects.every((recovered) => !recovered)));
		await wait('messages to go on', async () => {
			await writeEvent(writer, 'next');
			return clients.every((client) => client.of('next').length > 0);
		});
		assert.equal(deceived, 0, 'clients were sent what lies behind the hole before they were told');
	},
});

testRow({
	number: 16,
	name: 'Redis sends a message to the workers that have someone for it, and to no others',
	officially: /grew with the workers/,
	scenario: async (stage) => {
		const one = await measureEgress(stage, 1);
		const four = await measureEgress(stage, 4);
		assert.ok(four < 1.4 * one, `egress grew with the workers: ${one} bytes, ${four} bytes`);
	},
});

async function measureEgress({ t, redis, start, wait }: Stage, slots: number): Promise<number> {
	const runDir = makeRunDir(t);
	const nodes = await Promise.all(Array.from({ length: slots }, (_, slot) => start({ runDir, slot, slots, pod: `P${slots}xx` })));
	const clients = await Promise.all(nodes.map((node, i) => join(t, node.url, { rooms: [`room-${i}`] })));
	const [sender] = nodes;
	const [client] = clients;
	assert.ok(sender && client);
	await giveOffset(sender, ...clients);
	const direct = openRedis(t, redis.url);
	const before = await infoNumber(direct, 'stats', 'total_net_output_bytes');
	const count = 1000;
	await sender.order('emit-many', { rooms: ['room-0'], args: ['bulk', count, 'x'.repeat(2000)] });
	await wait('the messages to arrive', () => client.of('bulk').length === count);
	const bytes = (await infoNumber(direct, 'stats', 'total_net_output_bytes')) - before;
	for (const node of nodes) {
		node.kill('SIGKILL');
		await node.gone;
	}
	return bytes;
}

testRow({
	number: 17,
	name: 'messages of one moment go to Redis together',
	officially: /commands for \d+ messages/,
	scenario: async ({ t, redis, start, wait }) => {
		const node = await start();
		const client = await join(t, node.url, { rooms: ['r'] });
		await giveOffset(node, client);
		const direct = openRedis(t, redis.url);
		const calls = async (): Promise<number> => {
			const stats = await direct.info('commandstats');
			return [/cmdstat_evalsha:calls=(\d+)/, /cmdstat_eval:calls=(\d+)/].reduce(
				(sum, pattern) => sum + Number(pattern.exec(stats)?.[1] ?? 0),
				0,
			);
		};
		const appends = async (): Promise<number> => Number(/cmdstat_xadd:calls=(\d+)/.exec(await direct.info('commandstats'))?.[1] ?? 0);
		const [callsBefore, appendsBefore] = [await calls(), await appends()];
		const count = 1000;
		await node.order('emit-many', { rooms: ['r'], args: ['m', count, 'x'] });
		await wait('the messages to arrive', () => client.of('m').length === count);
		const scripts = (await calls()) - callsBefore;
		const commands = scripts === 0 ? (await appends()) - appendsBefore : scripts;
		assert.ok(commands < count / 2, `${commands} commands for ${count} messages`);
	},
});

testRow({
	number: 18,
	name: 'namespaces share one listener, and those that are gone leave no subscription',
	officially: /MaxListeners/,
	scenario: async ({ start, wait }) => {
		const namespaces = Array.from({ length: 16 }, (_, i) => `/n${i}`);
		const node = await start({ namespaces });
		await wait('subscriptions', async () => (await node.order<number>('servers', { nsp: '/n15' })) === 1);
		const { warnings } = await node.order<{ warnings: string[] }>('state');
		assert.ok(!warnings.includes('MaxListenersExceededWarning'), 'MaxListeners');
	},
});
