/** What an adapter must do, whichever one it is: the same assertions for each. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { lastFirst } from '../support/last-first.ts';
import { ODD_VALUES, ODD_VALUES_IN_JSON } from '../support/odd-values.ts';
import type { Scope } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { CLIENT_QUESTIONS, SERVER_QUESTIONS } from './adapter-requests.ts';
import { connectClient, type Node, waitForMembership } from './support/nodes.ts';
import { type Case, mark, type Stage, setStage } from './support/stage.ts';

const CASES = {
	'broadcasts reach everyone, once, with arguments as they were': broadcasts,
	'odd values arrive as JSON has them': oddValues,
	'binary values arrive, and are acknowledged, as bytes': binaryValues,
	'rooms as a union, and exceptions': rooms,
	'the local flag keeps a message on its node': localFlag,
	'volatile messages arrive while the connection is free': volatileMessages,
	'one sender is heard in order': orderOfSender,
	...CLIENT_QUESTIONS,
	'sockets are found, moved between rooms and disconnected from anywhere': remoteControl,
	'a socket that is found from afar is as it is at its server': remoteSockets,
	'what an application keeps with a socket is found from afar': remoteData,
	'without a room, all sockets of a namespace join, leave and are disconnected': allSockets,
	'namespaces are apart, those made on demand too': namespaces,
	...SERVER_QUESTIONS,
} satisfies Record<string, Case>;

type CaseName = keyof typeof CASES;

export interface AdapterBackend {
	readonly name: string;
	start(t: Scope): Promise<readonly Node[]>;
	/** What it does not do, as it comes, and how that shows: it must fail so, or the list is out of date. */
	readonly cannot?: Partial<Record<CaseName, RegExp>>;
}

export function testAdapter({ name, start, cannot = {} }: AdapterBackend): void {
	test(`adapter: ${name}`, async (t) => {
		const scope = lastFirst(t);
		const stage = await setStage(scope, await start(scope));
		for (const [what, run] of Object.entries<Case>(CASES)) {
			const lack = cannot[what as CaseName];
			if (lack) {
				await t.test(`cannot: ${what}`, (child) => assert.rejects(run(stage, lastFirst(child)), lack));
			} else {
				await t.test(what, (child) => run(stage, lastFirst(child)));
			}
		}
	});
}

async function broadcasts(stage: Stage): Promise<void> {
	const args = [1, 'text', true, null, { nested: [1, { deep: 'x' }] }, Buffer.from([1, 2, 3]), { with: [Buffer.from('binary')] }, 'ü€🎈'];
	stage.first.io.emit('everyone', ...args);
	await mark(stage);
	for (const { received } of stage.clients) {
		assert.deepEqual(received('everyone'), [['everyone', ...args]]);
	}
}

async function oddValues(stage: Stage): Promise<void> {
	const names = Object.keys(ODD_VALUES_IN_JSON) as (keyof typeof ODD_VALUES_IN_JSON)[];
	stage.first.io.emit('odd', ...names.map((name) => ODD_VALUES[name]()));
	await mark(stage);
	for (const { received } of stage.clients) {
		assert.deepEqual(received('odd'), [['odd', ...Object.values(ODD_VALUES_IN_JSON)]]);
	}
}

async function binaryValues(stage: Stage): Promise<void> {
	const bytes = new Float32Array([1, 2]);
	stage.first.io.emit('bytes', bytes, { deep: [Buffer.from('abc')] });
	await mark(stage);
	for (const { socket, received } of stage.clients) {
		assert.deepEqual(received('bytes'), [['bytes', Buffer.from(bytes.buffer), { deep: [Buffer.from('abc')] }]]);
		socket.on('echo', (value: unknown, answer: (value: unknown) => void) => answer({ value }));
	}
	const answers: { value: Uint8Array }[] = await stage.first.io.to('all').timeout(5000).emitWithAck('echo', Buffer.from('xyz'));
	assert.deepEqual(
		answers.map(({ value }) => Buffer.from(value)),
		stage.clients.map(() => Buffer.from('xyz')),
	);
	for (const { socket } of stage.clients) {
		socket.off('echo');
	}
}

async function rooms(stage: Stage): Promise<void> {
	const { first, clients } = stage;
	first.io.to('only-0').emit('union', 'a');
	first.io.to('only-0').to('all').emit('union', 'b');
	first.io.to('all').except('only-0').emit('union', 'c');
	first.io.to('nobody').emit('union', 'd');
	first.io.except('all').emit('union', 'e');
	await mark(stage);
	clients.forEach(({ received }, i) => {
		const expected = i === 0 ? ['a', 'b'] : ['b', 'c'];
		assert.deepEqual(
			received('union').map(([, letter]) => letter),
			expected,
		);
	});
}

async function localFlag(stage: Stage): Promise<void> {
	stage.first.io.local.emit('near');
	stage.first.io.local.to('all').emit('near');
	await mark(stage);
	for (const [i, { received }] of stage.clients.entries()) {
		assert.equal(received('near').length, i === 0 ? 2 : 0);
	}
}

async function volatileMessages(stage: Stage): Promise<void> {
	stage.first.io.volatile.emit('maybe', 1);
	await waitFor('the volatile message', () => {
		if (stage.clients.every(({ received }) => received('maybe').length > 0)) {
			return true;
		}
		stage.first.io.volatile.emit('maybe', 1);
		return false;
	});
}

async function orderOfSender(stage: Stage): Promise<void> {
	const count = 200;
	for (let i = 0; i < count; i++) {
		// Alternating targets and payloads: none of them may overtake another.
		stage.first.io.to(i % 3 === 0 ? 'all' : []).emit('ordered', i, i % 7 === 0 ? Buffer.from([i]) : i);
	}
	await mark(stage);
	for (const { received } of stage.clients) {
		assert.deepEqual(
			received('ordered').map(([, i]) => i),
			Array.from({ length: count }, (_, i) => i),
		);
	}
}

async function remoteControl({ nodes, first, last, clients }: Stage, t: Scope): Promise<void> {
	const guest = await connectClient(t, first, '', { auth: { rooms: ['guests'], label: 'guest' }, reconnection: false });
	const found = await waitFor('the guest to be found from afar', async () => (await last.io.in('guests').fetchSockets())[0]);
	assert.equal(found.id, guest.socket.id);
	assert.equal((found.data as { label?: string }).label, 'guest');
	assert.ok(found.rooms.has('guests'));
	assert.equal((await last.io.in('all').fetchSockets()).length, clients.length);

	last.io.in('guests').socketsJoin(['moved', 'moved-too']);
	await waitFor('the guest to be in its new room', async () => (await first.io.local.in('moved').fetchSockets()).length === 1);
	last.io.to('moved').emit('to-moved');
	await waitFor('a message to the new room', () => guest.received('to-moved').length === 1);
	last.io.in('moved-too').socketsLeave('moved');
	await waitFor('the guest to have left', async () => (await first.io.local.in('moved').fetchSockets()).length === 0);

	last.io.in('guests').disconnectSockets(true);
	await waitFor('the guest to be gone', () => guest.socket.disconnected);
	for (const node of nodes) {
		assert.equal((await node.io.in('guests').fetchSockets()).length, 0);
	}
	assert.ok(clients.every(({ socket }) => socket.connected));
}

async function remoteSockets({ nodes, first, clients }: Stage): Promise<void> {
	for (const [i, node] of nodes.entries()) {
		const [found] = await first.io.in(`only-${i}`).fetchSockets();
		const own = node.io.sockets.sockets.get(clients[i]?.socket.id ?? '');
		assert.ok(found && own);
		const view = ({ id, handshake, rooms, data }: Pick<typeof found, 'id' | 'handshake' | 'rooms' | 'data'>): unknown =>
			JSON.parse(JSON.stringify({ id, handshake, rooms: [...rooms], data: data as unknown }));
		assert.deepEqual(view(found), view(own));
		assert.equal((found.handshake.auth as { label?: string }).label, `client ${i}`);
	}
}

async function remoteData({ first, last }: Stage): Promise<void> {
	const socket = [...first.io.of('/').sockets.values()][0];
	assert.ok(socket);
	socket.data.nested = { list: [1, 'two', null], bytes: Buffer.from('abc') };
	const [found] = await last.io.in('only-0').fetchSockets();
	assert.equal(found?.id, socket.id);
	const { label, nested } = found.data as { label: string; nested: { list: unknown; bytes: Uint8Array } };
	assert.equal(label, 'client 0');
	assert.deepEqual([nested.list, Buffer.from(nested.bytes)], [[1, 'two', null], Buffer.from('abc')]);
	delete socket.data.nested;
}

async function allSockets({ nodes, first, last }: Stage, t: Scope): Promise<void> {
	const clients = await Promise.all(nodes.map((node) => connectClient(t, node, '/side', { reconnection: false })));
	const side = last.io.of('/side');
	const found = async (room: string): Promise<number> => (await first.io.of('/side').in(room).fetchSockets()).length;
	side.socketsJoin(['everybody', 'one-and-all']);
	await waitFor('all to join', async () => (await found('one-and-all')) === clients.length);
	side.to('everybody').emit('to-everybody');
	await waitFor('all to hear', () => clients.every(({ received }) => received('to-everybody').length === 1));
	side.socketsLeave('everybody');
	await waitFor('all to leave', async () => (await found('everybody')) === 0);
	assert.equal(await found('one-and-all'), clients.length);
	side.disconnectSockets();
	await waitFor('all to be gone', () => clients.every(({ socket }) => socket.disconnected));
	await waitFor('nobody to be found', async () => (await first.io.of('/side').fetchSockets()).length === 0);
}

async function namespaces({ nodes, first, last, clients }: Stage, t: TestContext | Scope): Promise<void> {
	const dynamic = await Promise.all(nodes.map((node) => connectClient(t, node, '/dynamic-1')));
	const other = await connectClient(t, first, '/dynamic-2');
	await waitForMembership(nodes, nodes.length, '/dynamic-1');
	last.io.of('/dynamic-1').emit('inside');
	await waitFor('the namespace to hear', () => dynamic.every(({ received }) => received('inside').length === 1));
	first.io.of('/dynamic-2').emit('elsewhere');
	await waitFor('the other namespace to hear', () => other.received('elsewhere').length === 1);
	for (const { received } of [...clients, other]) {
		assert.equal(received('inside').length, 0);
	}
	for (const { received } of dynamic) {
		assert.equal(received('elsewhere').length, 0);
	}
	assert.equal((await first.io.of('/dynamic-1').fetchSockets()).length, nodes.length);
}
