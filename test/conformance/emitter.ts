/** What an emitter must do, whichever servers are behind it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Emitter } from '../../src/emit/emitter.ts';
import type { Scope } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { connectWitness, type Witness } from '../support/witness.ts';

/** What Socket.IO's own emitter and ours have in common; theirs returns at once, ours when it is written. */
export interface BroadcastLike {
	to(rooms: string | string[]): BroadcastLike;
	in(rooms: string | string[]): BroadcastLike;
	except(rooms: string | string[]): BroadcastLike;
	readonly volatile: BroadcastLike;
	emit(event: string, ...args: unknown[]): unknown;
	socketsJoin(rooms: string | string[]): unknown;
	socketsLeave(rooms: string | string[]): unknown;
	disconnectSockets(close?: boolean): unknown;
}

export interface EmitterLike extends BroadcastLike {
	of(namespace: string): EmitterLike;
	serverSideEmit(event: string, ...args: unknown[]): unknown;
}

export interface EmitterBackend<E extends EmitterLike> {
	readonly name: string;
	/** Addresses of servers that run fixtures/emit-app.ts as one fleet, and an emitter for them. */
	start(t: Scope): Promise<{ readonly urls: readonly string[]; readonly emitter: E }>;
}

interface Stage<E extends EmitterLike = EmitterLike> {
	readonly emitter: E;
	/** In rooms a; a and b; b; and namespace /shop, room a. */
	readonly a: Witness;
	readonly ab: Witness;
	readonly b: Witness;
	readonly shop: Witness;
}

/** The interface of Socket.IO's emitters. */
export function testEmitter<E extends EmitterLike>(
	backend: EmitterBackend<E>,
	testMore?: (t: TestContext, stage: Stage<E>) => Promise<void>,
): void {
	test(`emitter with ${backend.name}`, async (t) => {
		const { urls, emitter } = await backend.start(t);
		const stage = await setStage(t, urls, emitter);
		await t.test('reaches everyone, rooms as a union, and not those that are excepted', () => reachesRooms(stage));
		await t.test('volatile messages arrive while the connection is free', () => reachesVolatile(stage));
		await t.test('keeps namespaces apart', () => keepsNamespaces(stage));
		await t.test('carries arguments as they are, with binary at any depth', () => carriesArguments(stage));
		await t.test('moves clients between rooms', () => movesClients(stage));
		await t.test('reaches the servers themselves', () => reachesServers(stage));
		await testMore?.(t, stage);
		await t.test('disconnects clients', () => disconnects(stage));
	});
}

/** What ours does beyond it. */
export async function testReceipts(t: TestContext, stage: Stage<Emitter>): Promise<void> {
	await t.test('writes a batch in order', () => writesBatch(stage));
	await t.test('writes once for an idempotency key, and refuses other content under it', () => writesOnce(stage));
	await t.test('what was emitted while a client was away is recovered', () => recovers(stage));
}

async function setStage<E extends EmitterLike>(t: TestContext, urls: readonly string[], emitter: E): Promise<Stage<E>> {
	const url = (index: number): string => urls[index % urls.length] ?? '';
	const [a, ab, b, shop] = await Promise.all([
		connectWitness(t, url(0), { rooms: ['a'] }),
		connectWitness(t, url(1), { rooms: ['a', 'b'] }),
		connectWitness(t, url(1), { rooms: ['b'] }),
		connectWitness(t, url(0), { rooms: ['a'], namespace: '/shop' }),
	]);
	const stage = { emitter, a, ab, b, shop };
	// A server that has just started may not read yet.
	await waitFor('messages to flow', async () => {
		await emitter.emit('warm-up');
		await emitter.of('/shop').emit('warm-up');
		return all(stage).every((witness) => witness.has('warm-up'));
	});
	await settle(stage);
	return stage;
}

function all({ a, ab, b, shop }: Stage): readonly Witness[] {
	return [a, ab, b, shop];
}

/** What each client got since the last time, in order: a fence behind everything shows when all has arrived. */
async function settle(
	stage: Stage,
): Promise<{ readonly a: unknown[][]; readonly ab: unknown[][]; readonly b: unknown[][]; readonly shop: unknown[][] }> {
	const fence = `fence-${Math.random()}`;
	await stage.emitter.emit(fence);
	await stage.emitter.of('/shop').emit(fence);
	await waitFor('the fence to arrive', () => all(stage).every((witness) => !witness.socket.connected || witness.has(fence)));
	const take = (witness: Witness): unknown[][] => {
		const events = witness.events.filter(([name]) => name !== fence);
		witness.clear();
		return events;
	};
	return { a: take(stage.a), ab: take(stage.ab), b: take(stage.b), shop: take(stage.shop) };
}

async function reachesRooms(stage: Stage): Promise<void> {
	const { emitter } = stage;
	await emitter.emit('everyone', 1);
	await emitter.to('a').emit('only-a');
	await emitter.in('a').to(['b']).emit('union');
	await emitter.except('b').emit('not-b');
	await emitter.to('a').except('b').emit('a-not-b');
	await emitter.to('nobody').emit('nobody');
	assert.deepEqual(await settle(stage), {
		a: [['everyone', 1], ['only-a'], ['union'], ['not-b'], ['a-not-b']],
		ab: [['everyone', 1], ['only-a'], ['union']],
		b: [['everyone', 1], ['union']],
		shop: [],
	});
}

async function reachesVolatile(stage: Stage): Promise<void> {
	// One that meets a busy connection is dropped, as it should be.
	await waitFor('a volatile message', async () => {
		await stage.emitter.to('a').volatile.emit('volatile', 1);
		return stage.a.has('volatile');
	});
	await settle(stage);
}

async function keepsNamespaces(stage: Stage): Promise<void> {
	await stage.emitter.of('shop').to('a').emit('sale', 5);
	await stage.emitter.of('/shop').to('b').emit('nobody');
	assert.deepEqual(await settle(stage), { a: [], ab: [], b: [], shop: [['sale', 5]] });
}

async function carriesArguments(stage: Stage): Promise<void> {
	const bytes = Buffer.from([0, 1, 2, 255]);
	const plain = { text: 'žluťoučký 🐎', list: [1, -0.5, null, true], nested: { empty: {}, none: null }, when: new Date(0) };
	await stage.emitter.to('a').except('b').emit('plain', plain, 'last');
	await stage.emitter
		.to('a')
		.except('b')
		.emit('binary', bytes, { deep: [new Uint8Array([7, 8])], when: new Date(0) });
	const { a } = await settle(stage);
	assert.deepEqual(a, [
		['plain', { ...plain, when: '1970-01-01T00:00:00.000Z' }, 'last'],
		['binary', bytes, { deep: [Buffer.from([7, 8])], when: '1970-01-01T00:00:00.000Z' }],
	]);
}

async function writesBatch(stage: Stage<Emitter>): Promise<void> {
	const messages = Array.from({ length: 300 }, (_, index) => ({ event: 'batch', args: [index], rooms: ['a'], except: ['b'] }));
	const receipts = await stage.emitter.batch(messages);
	assert.equal(new Set(receipts.map(({ id }) => id)).size, 300);
	assert.deepEqual(
		(await settle(stage)).a,
		messages.map(({ args: [index] }) => ['batch', index]),
	);
	assert.deepEqual(await stage.emitter.batch([]), []);
}

async function writesOnce(stage: Stage<Emitter>): Promise<void> {
	const target = stage.emitter.to('a').idempotencyKey(`order-${Math.random()}`);
	const first = await target.emit('paid', 7);
	assert.deepEqual(await target.emit('paid', 7), { id: first.id, duplicate: true });
	await assert.rejects(target.emit('paid', 8), { code: 'ERR_CONFLICT' });
	// A batch with a refused key in it is not written at all.
	const key = `batch-${Math.random()}`;
	await stage.emitter.batch([{ event: 'first', rooms: ['a'], idempotencyKey: key }]);
	await assert.rejects(
		stage.emitter.batch([
			{ event: 'half', rooms: ['a'] },
			{ event: 'other', rooms: ['a'], idempotencyKey: key },
		]),
		{ code: 'ERR_CONFLICT' },
	);
	assert.deepEqual((await settle(stage)).a, [['paid', 7], ['first']]);
}

async function movesClients(stage: Stage): Promise<void> {
	const { emitter } = stage;
	await emitter.in('b').socketsJoin(['new', 'newer']);
	await emitter.in('a').socketsLeave('new');
	await emitter.to('new').emit('to-new');
	await emitter.to('newer').emit('to-newer');
	const { a, ab, b } = await settle(stage);
	assert.deepEqual({ a, ab, b }, { a: [], ab: [['to-newer']], b: [['to-new'], ['to-newer']] });
}

async function reachesServers(stage: Stage): Promise<void> {
	// At most once, and to those that listen: a subscription may still be under way.
	await waitFor('every server to hear it', async () => {
		await stage.emitter.serverSideEmit('to-servers', 'hello', { n: 1 });
		return [stage.a, stage.ab].every((witness) => witness.has('servers-heard'));
	});
	assert.deepEqual((await settle(stage)).a[0], ['servers-heard', 'hello', { n: 1 }]);
}

async function recovers(stage: Stage<Emitter>): Promise<void> {
	const { socket } = stage.a;
	let round = 0;
	// The official adapter saves a session when it sees the connection go: a client that is back before that is not recovered.
	await waitFor('a recovered connection', async () => {
		round++;
		socket.io.engine.close();
		await waitFor('the client to be away', () => !socket.connected);
		await stage.emitter.to('a').emit('missed', round);
		socket.connect();
		await waitFor('the client to be back', () => socket.connected);
		return socket.recovered;
	});
	const { a } = await settle(stage);
	assert.deepEqual(
		a.filter(([, value]) => value === round),
		[['missed', round]],
	);
}

async function disconnects(stage: Stage): Promise<void> {
	await stage.emitter.in('b').except('a').disconnectSockets();
	await waitFor('the client to be disconnected', () => stage.b.socket.disconnected);
	await stage.emitter.of('/shop').disconnectSockets(true);
	await waitFor('the client to be disconnected', () => stage.shop.socket.disconnected);
	await settle(stage);
	assert.ok(stage.a.socket.connected && stage.ab.socket.connected);
}
