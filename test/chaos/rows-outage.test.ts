/** Rows about things that stop answering: Redis (7), peers (10), clients (15); and what an application keeps in socket.data (8). */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { makeRunDir } from './support/node-process.ts';
import { giveOffset, join, testRow } from './support/row.ts';

testRow({
	number: 7,
	name: 'with Redis frozen, clients of one pod still hear each other, and hear nothing twice when it thaws',
	officially: /waited \d+ ms for local delivery/,
	scenario: async ({ t, redis, kind, start, wait }) => {
		const runDir = makeRunDir(t);
		const [node, sibling] = await Promise.all([0, 1].map((slot) => start({ runDir, slot, slots: 2 })));
		assert.ok(node && sibling);
		const clients = await Promise.all([node, sibling].map(({ url }) => join(t, url)));
		await giveOffset(node, ...clients);
		redis.signal('SIGSTOP');
		t.after(() => redis.signal('SIGCONT'));
		await node.order('emit', { args: ['frozen', 1] });
		await wait('local delivery', () => clients.every((client) => client.of('frozen').length === 1));
		if (kind === 'ours') {
			const reasons = await wait('the reason', async () => (await node.order<string[]>('reasons')).join());
			assert.match(reasons, /this pod only/);
		}
		redis.signal('SIGCONT');
		await wait('publishing to go on', async () => {
			await node.order('emit', { args: ['thawed', 1] });
			return clients.every((client) => client.of('thawed').length > 0) && (await node.order<string[]>('reasons')).length === 0;
		});
		for (const client of clients) {
			assert.equal(client.of('frozen').length, 1, 'once, though Redis may have had it all the same');
		}
	},
});

testRow({
	number: 7,
	name: 'what was sent while Redis was frozen reaches the other pods when it thaws, in order, and nobody twice',
	officially: /waited \d+ ms for local delivery/,
	scenario: async ({ t, redis, start, wait }) => {
		const [node, other] = await Promise.all([start(), start({ pod: 'BBBB' })]);
		const [here, there] = await Promise.all([join(t, node.url), join(t, other.url)]);
		await giveOffset(node, here, there);
		redis.signal('SIGSTOP');
		t.after(() => redis.signal('SIGCONT'));
		const sent = Array.from({ length: 30 }, (_, i) => i);
		for (const i of sent) {
			await node.order('emit', { args: ['frozen', i] });
		}
		await wait('local delivery', () => here.of('frozen').length === sent.length);
		redis.signal('SIGCONT');
		await wait('delivery in the other pod', () => there.of('frozen').length === sent.length);
		await node.order('emit', { args: ['thawed', 1] });
		await wait('what came after', () => here.of('thawed').length === 1 && there.of('thawed').length === 1);
		assert.deepEqual(there.of('frozen'), sent);
		assert.deepEqual(here.of('frozen'), sent);
	},
});

testRow({
	number: 7,
	name: 'with Redis dead, the process lives on, and is whole again when Redis is back',
	officially: /waited \d+ ms for local delivery/,
	scenario: async ({ t, redis, kind, start, wait }) => {
		const [node, other] = await Promise.all([start(), start({ pod: 'BBBB' })]);
		const client = await join(t, node.url);
		await giveOffset(node, client);
		await redis.stop();
		for (let i = 0; i < 20; i++) {
			await node.order('emit', { args: ['dead', i] });
		}
		await wait('local delivery', () => client.of('dead').length === 20);
		if (kind === 'ours') {
			assert.deepEqual(
				client.of('dead'),
				Array.from({ length: 20 }, (_, i) => i),
			);
		}
		await redis.start();
		await wait('messages between servers', async () => {
			await other.order('emit', { args: ['back', 1] });
			return client.of('back').length > 0;
		});
		assert.equal(node.exit(), undefined);
	},
});

testRow({
	number: 8,
	name: 'a timer, a function and a cycle in socket.data cost those keys, not the process',
	officially: /waited \d+ ms for the client to be back on a living server/,
	scenario: async ({ t, start, wait }) => {
		const node = await start();
		const client = await join(t, node.url);
		await giveOffset(node, client);
		await client.socket.timeout(20_000).emitWithAck('odd-data');
		await node.order('cut');
		await wait('the client to be back on a living server', () => client.connects.length === 2 && node.exit() === undefined);
		assert.deepEqual(client.connects, [false, true]);
		assert.deepEqual(await client.socket.timeout(20_000).emitWithAck('data'), { kept: 'kept' });
	},
});

testRow({
	number: 10,
	name: 'one frozen server makes the answer partial, and says who is missing',
	officially: /timeout reached/,
	scenario: async ({ t, start, wait }) => {
		const [asking, answering, frozen] = await Promise.all([start({ pod: 'AAAA' }), start({ pod: 'BBBB' }), start({ pod: 'CCCC' })]);
		const client = await join(t, answering.url);
		await wait('three servers', async () => (await asking.order<number>('servers')) === 3);
		await wait('the servers to answer', async () => {
			const { ids, missing } = await asking.order<{ ids: string[]; missing: string[] }>('fetch');
			return ids.length === 1 && missing.length === 0;
		});
		frozen.kill('SIGSTOP');
		// Known by name, until it has been silent for so long that it only counts as a connection.
		const isFrozenOne = ({ missing }: { missing: string[] }): void => {
			assert.equal(missing.length, 1, missing.join());
			assert.match(missing[0] ?? '', /^(CCCC\/0|unknown)$/);
		};
		const fetched = await asking.order<{ ids: string[]; missing: string[] }>('fetch');
		assert.deepEqual(fetched.ids, [client.socket.id]);
		isFrozenOne(fetched);
		const asked = await asking.order<{ answers: string[]; missing: string[] }>('ask');
		assert.deepEqual(asked.answers, ['BBBB']);
		isFrozenOne(asked);
		frozen.kill('SIGCONT');
		await wait('a whole answer', async () => {
			const { answers, missing } = await asking.order<{ answers: string[]; missing: string[] }>('ask');
			return answers.length === 2 && missing.length === 0;
		});
	},
});

testRow({
	number: 15,
	name: 'a client that does not read is cut off, and its memory is given back',
	officially: /waited \d+ ms for the server to let go of it/,
	scenario: async ({ t, kind, start, wait }) => {
		const options = { maxBufferedBytes: 100_000_000, pingIntervalMs: 60_000, pingTimeoutMs: 60_000 };
		// glibc else keeps large pieces that are freed for the next ones, and only their content is gone.
		const node = await start({ options, env: { MALLOC_MMAP_THRESHOLD_: '131072' } });
		const socket = new WebSocket(`${node.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
		t.after(() => socket.terminate());
		await once(socket, 'message');
		socket.send('40');
		await once(socket, 'message');
		const sockets = async (): Promise<number> => (await node.order<{ sockets: number }>('state')).sockets;
		const metric = (name: string): Promise<number> => node.order('metric', { args: [name] });
		await wait('the server to know the client', async () => (await sockets()) === 1);
		socket.pause();
		// Far more than the kernel buffers of a connection hold, and less than what is too much.
		await node.order('emit-local', { args: ['bulk', 100, 900_000] });
		if (kind === 'ours') {
			await wait('them to be buffered', async () => (await metric('socketfleet_buffered_bytes')) > 60_000_000);
		}
		const before = await node.order<number>('memory');
		await node.order('emit-local', { args: ['bulk', 50, 900_000] });
		await wait('the server to let go of it', async () => (await sockets()) === 0);
		assert.equal(await metric('socketfleet_slow_consumers_total'), 1);
		await wait('the buffers to be empty', async () => (await metric('socketfleet_buffered_bytes')) === 0);
		// Half of what was buffered at the least.
		await wait('its memory to be given back', async () => (await node.order<number>('memory')) < before - 30_000_000);
	},
});
