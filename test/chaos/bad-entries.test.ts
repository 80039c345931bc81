/** What anyone may write to the stream: passed over and counted, never the end of a process or of a connection, and no busy core. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode } from '@msgpack/msgpack';
import { Redis } from 'ioredis';
import { lastFirst } from '../support/last-first.ts';
import { type Scope, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { addEntry } from '../support/write-entries.ts';
import { startNode } from './support/node-process.ts';
import { drop, giveOffset, join, STREAM } from './support/row.ts';

const WAIT = { timeoutMs: 60_000 };
const DEEP = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;

/** Set aside when they are read. */
const MALFORMED: Readonly<Record<string, readonly string[]>> = {
	'fields of another program': ['something', 'else'],
	'no type': ['uid', 'x', 'nsp', '/', 'data', '{}'],
	'a type that is a word': ['uid', 'x', 'nsp', '/', 'type', 'three', 'data', '{}'],
	'no data': event(''),
	'half an object': event('{"packet":{"type":2,'),
	'bytes that are no MessagePack': event(Buffer.from([0xc1, 0xff]).toString('base64')),
	'a MessagePack array that says it has four billion elements': event(Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]).toString('base64')),
	'a prototype key in MessagePack': event(Buffer.from(encode({ ['__proto__']: { polluted: 1 } })).toString('base64')),
	'a prototype key in JSON': event('{"__proto__":{"polluted":1}}'),
	'four megabytes of nothing': event(`"${'x'.repeat(4_000_000)}"`),
	'fifty thousand arrays, one in the other': event(DEEP),
	'rooms that are no list': event('{"packet":{"type":2,"data":["e"]},"opts":{"rooms":{"length":1000000000}}}'),
	'a packet that disconnects': event(packet({ type: 1, data: [] })),
	'a packet of no known type': event(packet({ type: 99, data: ['e'] })),
	'an event without a name': event(packet({ type: 2, data: [] })),
	'an event of the client itself': event(packet({ type: 2, data: ['connect_error', 'x'] })),
	'an id that is a word': event(packet({ type: 2, data: ['e'], id: 'x' })),
};

/** Looks like an event, and can't be sent to anyone. */
const UNSENDABLE = event(`{"packet":{"type":2,"data":["deep",${DEEP}],"nsp":"/"},"opts":{"rooms":[],"except":[],"flags":{}}}`);

function event(data: string): readonly string[] {
	return ['uid', 'x', 'nsp', '/', 'type', '3', 'data', data];
}

function packet(content: object): string {
	return JSON.stringify({ packet: { ...content, nsp: '/' }, opts: { rooms: [], except: [], flags: {} } });
}

function openWriter(t: Scope, url: string): Redis {
	const redis = new Redis(url, { replyMapping: 'legacy' });
	t.after(() => redis.disconnect());
	return redis;
}

test('entries that make no sense are set aside, for those who are there and for those who come back', async (context) => {
	const t = lastFirst(context);
	const { url } = await startRedis(t);
	const writer = openWriter(t, url);
	const node = await startNode(t, { kind: 'ours', redisUrl: url });
	const [present, absent] = [await join(t, node.url), await join(t, node.url)];
	await giveOffset(node, present, absent);
	const { letBack } = drop(absent);
	await waitFor('the client to be gone', async () => (await node.order<{ sockets: number }>('state')).sockets === 1, WAIT);

	for (const fields of [...Object.values(MALFORMED), UNSENDABLE]) {
		await addEntry(writer, STREAM, { fields });
	}
	await node.order('emit', { args: ['behind', 1] });
	await waitFor('what stands behind them', () => present.of('behind').length === 1, WAIT);
	assert.equal(await node.order('metric', { args: ['socketfleet_quarantined_entries_total'] }), Object.keys(MALFORMED).length);
	letBack();
	await waitFor('what the absent one missed', () => absent.of('behind').length === 1, WAIT);
	assert.deepEqual(absent.connects, [false, true]);
	assert.deepEqual(present.connects, [false], 'nobody was disconnected');
	assert.equal(node.exit(), undefined);

	const before = await cpuMs(node);
	for (let i = 1; i <= 20; i++) {
		await node.order('emit', { args: ['tick', i] });
		await waitFor('a tick', () => present.of('tick').length === i, WAIT);
	}
	assert.ok((await cpuMs(node)) - before < 2000, 'CPU');
});

async function cpuMs(node: Awaited<ReturnType<typeof startNode>>): Promise<number> {
	return (await node.order<{ cpuMs: number }>('state')).cpuMs;
}

test('a program that writes the log and does not push is not heard, and the servers say so', async (context) => {
	const t = lastFirst(context);
	const { url } = await startRedis(t);
	const writer = openWriter(t, url);
	const node = await startNode(t, { kind: 'ours', redisUrl: url });
	const client = await join(t, node.url);
	await giveOffset(node, client);
	await waitFor('a tick', async () => (await writer.hexists('socketfleet:default:bounds', 'counted')) === 1, WAIT);
	assert.deepEqual(await node.order('reasons'), []);
	await writer.xadd(STREAM, '*', ...event(packet({ type: 2, data: ['foreign'] })));
	await waitFor('the reason', async () => /does not push/.test(String(await node.order('reasons'))), WAIT);
	await node.order('emit', { args: ['own', 1] });
	await waitFor('own messages to go on', () => client.of('own').length === 1, WAIT);
	assert.equal(client.of('foreign').length, 0);
});
