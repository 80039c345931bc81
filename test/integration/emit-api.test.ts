/** The emit API over real HTTP, in front of a real Redis and a plain server on the fleet's stream. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { createSilentLogger } from '../../src/base/log.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import { createRedis } from '../../src/redis/client.ts';
import { redisKeysOf } from '../../src/redis/keys.ts';
import { startApi } from '../../src/worker/api.ts';
import setUp from '../fixtures/emit-app.ts';
import { lastFirst } from '../support/last-first.ts';
import { startOfficialServer } from '../support/official-server.ts';
import { type Scope, startRedis, type TestRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { connectWitness } from '../support/witness.ts';

const FULL = 'full-scope-token-0001';
const TOKENS = {
	tokens: [
		{ name: 'shop', token: 'shop-token-00000001', verbs: ['emit', 'read'], namespaces: ['/shop'], roomPrefixes: ['order:'] },
		{ name: 'old', token: 'expired-token-000001', expires: '2020-01-01T00:00:00Z' },
		{ name: 'slow', token: 'slow-token-000000001', ratePerSecond: 2 },
	],
};
const MAX_BODY_BYTES = 100_000;

interface Stage {
	readonly redis: TestRedis;
	readonly store: Redis;
	readonly stream: string;
	readonly url: string;
	readonly port: number;
	readonly appUrl: string;
	readonly tokensFile: string;
	readonly scope: Scope;
}

interface Reply {
	readonly status: number;
	readonly headers: Headers;
	readonly body: Record<string, unknown>;
}

interface StageOptions {
	/** False: nobody reads the stream. The official adapter can't live through an outage of Redis. */
	readonly clients: boolean;
}

async function setStage(t: TestContext, { clients }: StageOptions): Promise<Stage> {
	const scope = lastFirst(t);
	const redis = await startRedis(scope, { args: ['--appendonly', 'yes'] });
	const tokensFile = join(redis.dir, 'tokens.json');
	writeFileSync(tokensFile, JSON.stringify(TOKENS));
	const { config } = loadConfig({
		env: {},
		flags: {
			host: '127.0.0.1',
			apiPort: 0,
			redisUrl: redis.url,
			fleetKey: 'key-of-the-emit-tests',
			apiTokens: FULL,
			apiTokensFile: tokensFile,
			apiMaxBodyBytes: MAX_BODY_BYTES,
		},
	});
	const keys = redisKeysOf(config);
	const server = clients
		? await startOfficialServer(scope, { redisPort: redis.port, streamName: keys.stream, channelPrefix: keys.channels, setUp })
		: { io: new Server(), url: '' };
	const log = createSilentLogger();
	const handle = createRedis(config, log);
	scope.after(() => handle.close());
	const api = await startApi({ config, redis: handle, io: server.io, metrics: createMetrics(), log });
	assert.ok(api);
	scope.after(() => api.close());
	const store = new Redis(redis.port);
	store.on('error', () => undefined);
	scope.after(() => store.disconnect());
	return { redis, store, stream: keys.stream, url: `http://127.0.0.1:${api.port}`, port: api.port, appUrl: server.url, tokensFile, scope };
}

async function call({ url }: Stage, path: string, body?: unknown, token: string | undefined = FULL): Promise<Reply> {
	const response = await fetch(url + path, {
		method: body === undefined ? 'GET' : 'POST',
		headers: { ...(token === '' ? {} : { authorization: `Bearer ${token}` }), 'content-type': 'application/json' },
		...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
	});
	return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> };
}

test('the emit API', async (t) => {
	const stage = await setStage(t, { clients: true });
	await t.test('POST /emit: 202 says that it is in the stream, and clients get it', () => emits(stage));
	await t.test('POST /emit: a batch is written in order, or not at all', () => emitsBatches(stage));
	await t.test('POST /rooms and /disconnect, GET /sockets and /presence', () => movesAndLists(stage));
	await t.test('bad requests are refused with the name of the field, and write nothing', () => refusesBadRequests(stage));
	await t.test('bodies: too large, cut off, compressed', () => refusesBadBodies(stage));
	await t.test('tokens: unknown, expired, without the scope, changed in the file', () => checksTokens(stage));
	await t.test('a token over its rate is told when to come back', () => limitsRate(stage));
	await t.test('the document that is served is the one that is checked in', () => servesDocument(stage));
});

test('Redis away: 503 with Retry-After, and 202 again once it is back', async (t) => {
	const stage = await setStage(t, { clients: false });
	const message = { event: 'x', idempotencyKey: 'through-the-storm' };
	assert.equal((await call(stage, '/emit', { event: 'x' })).status, 202);
	await stage.redis.stop();
	const away = await call(stage, '/emit', message);
	assert.equal(away.status, 503);
	assert.equal(away.headers.get('retry-after'), '1');
	await stage.redis.start();
	await waitFor('the API to recover', async () => (await call(stage, '/emit', message)).status === 202);
	assert.deepEqual((await call(stage, '/emit', message)).body.duplicate, true);
});

async function emits(stage: Stage): Promise<void> {
	const witness = await connectWitness(stage.scope, stage.appUrl, { rooms: ['lobby'] });
	await waitFor('messages to flow', async () => {
		await call(stage, '/emit', { event: 'warm-up' });
		return witness.has('warm-up');
	});
	const bytes = Buffer.from([0, 255, 128]);
	const { status, body } = await call(stage, '/emit', {
		event: 'news',
		args: [{ a: 1 }, { $binary: bytes.toString('base64') }],
		rooms: ['lobby'],
	});
	assert.equal(status, 202);
	const id = String(body.id);
	assert.equal((await stage.store.xrange(stage.stream, id, id)).length, 1);
	await waitFor('the event', () => witness.has('news'));
	assert.deepEqual(
		witness.events.find(([name]) => name === 'news'),
		['news', { a: 1 }, bytes],
	);
	const once = { event: 'paid', rooms: ['lobby'], idempotencyKey: 'order-7' };
	const first = await call(stage, '/emit', once);
	assert.deepEqual((await call(stage, '/emit', once)).body, { id: first.body.id, duplicate: true });
	const other = await call(stage, '/emit', { ...once, args: ['other'] });
	assert.deepEqual([other.status, other.body.code], [409, 'ERR_CONFLICT']);
}

async function emitsBatches(stage: Stage): Promise<void> {
	const { status, body } = await call(stage, '/emit', {
		messages: Array.from({ length: 50 }, (_, index) => ({ event: 'batch', args: [index] })),
	});
	assert.equal(status, 202);
	const ids = (body.receipts as { id: string }[]).map(({ id }) => id);
	const written = await stage.store.xrange(stage.stream, ids[0] ?? '', ids.at(-1) ?? '');
	assert.deepEqual(
		written.map(([id]) => id),
		ids,
	);
	const before = await stage.store.xlen(stage.stream);
	const half = await call(stage, '/emit', { messages: [{ event: 'good' }, { event: 'disconnect' }] });
	assert.deepEqual([half.status, pointersOf(half)], [400, ['/messages/1/event']]);
	assert.equal(await stage.store.xlen(stage.stream), before);
}

async function movesAndLists(stage: Stage): Promise<void> {
	const witnesses = await Promise.all(
		['red', 'red', 'blue'].map((room) => connectWitness(stage.scope, stage.appUrl, { rooms: [room], namespace: '/shop' })),
	);
	const ids = witnesses.map(({ socket }) => socket.id ?? '').sort();
	const seen: string[] = [];
	let next = '';
	do {
		const { body } = await call(stage, `/sockets?namespace=/shop&limit=2&data=true${next === '' ? '' : `&cursor=${next}`}`);
		const sockets = body.sockets as { id: string; rooms: string[]; connectedAt: string; data: object }[];
		assert.ok(sockets.length <= 2 && sockets.every(({ id, rooms, connectedAt }) => rooms.includes(id) && Date.parse(connectedAt) > 0));
		assert.deepEqual(body.missing, []);
		seen.push(...sockets.map(({ id }) => id));
		next = typeof body.next === 'string' ? body.next : '';
	} while (next !== '');
	assert.deepEqual(seen, ids);
	assert.deepEqual((await call(stage, '/presence?namespace=/shop&room=red&room=none')).body, {
		sockets: 2,
		rooms: { red: 2, none: 0 },
		missing: [],
	});

	assert.equal((await call(stage, '/rooms', { namespace: '/shop', rooms: ['red'], join: ['new'], leave: ['red'] })).status, 202);
	const presence = await waitFor('clients to have moved', async () => {
		const { body } = await call(stage, '/presence?namespace=/shop');
		return (body.rooms as Record<string, number>).new === 2 ? body : undefined;
	});
	assert.deepEqual(presence, { sockets: 3, rooms: { new: 2, blue: 1 }, missing: [] });

	assert.equal((await call(stage, '/disconnect', { namespace: '/shop', rooms: ['new'] })).status, 202);
	await waitFor('clients to be disconnected', () => witnesses.filter(({ socket }) => socket.connected).length === 1);
	assert.equal((await call(stage, '/disconnect', { namespace: '/shop', all: true })).status, 202);
	await waitFor('clients to be disconnected', () => witnesses.every(({ socket }) => !socket.connected));
	assert.equal((await call(stage, '/sockets?namespace=/nowhere')).status, 404);
}

function pointersOf({ body }: Reply): string[] {
	return ((body.errors ?? []) as { pointer: string }[]).map(({ pointer }) => pointer);
}

async function refusesBadRequests(stage: Stage): Promise<void> {
	const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `r${index}`);
	const deep = `${'['.repeat(200)}${']'.repeat(200)}`;
	const table: readonly (readonly [path: string, body: unknown, pointer: string])[] = [
		['/emit', 'not json', ''],
		['/emit', '"text"', ''],
		['/emit', '[]', ''],
		['/emit', {}, '/event'],
		['/emit', { event: 7 }, '/event'],
		['/emit', { event: '' }, '/event'],
		['/emit', { event: 'connect' }, '/event'],
		['/emit', { event: 'x', colour: 'red' }, '/colour'],
		['/emit', { event: 'x', args: 'text' }, '/args'],
		['/emit', { event: 'x', rooms: 'lobby' }, '/rooms'],
		['/emit', { event: 'x', rooms: ['a', 5] }, '/rooms/1'],
		['/emit', { event: 'x', rooms: many(10_000) }, '/rooms'],
		['/emit', { event: 'x', namespace: 'shop' }, '/namespace'],
		['/emit', { event: 'x', volatile: 'yes' }, '/volatile'],
		['/emit', { event: 'x', idempotencyKey: 'has space' }, '/idempotencyKey'],
		['/emit', { event: 'x', args: [{ $binary: 'not base64!' }] }, '/args/0/$binary'],
		['/emit', `{"event":"x","args":[${deep}]}`, '/args'],
		['/emit', '{"event":"x","args":[{"__proto__":{"admin":true}}]}', '/args'],
		['/emit', { messages: [] }, '/messages'],
		['/emit', { messages: [{ event: 'x' }], rooms: ['a'] }, '/rooms'],
		[
			'/emit',
			{
				messages: [
					{ event: 'x', idempotencyKey: 'k' },
					{ event: 'y', idempotencyKey: 'k' },
				],
			},
			'/messages/1/idempotencyKey',
		],
		['/rooms', { rooms: ['a'] }, ''],
		['/rooms', { join: ['a'] }, ''],
		['/disconnect', {}, ''],
		['/disconnect', { rooms: ['a'], all: true }, ''],
		['/disconnect', { rooms: [] }, '/rooms'],
		['/sockets?limit=0', undefined, '/limit'],
		['/sockets?colour=red', undefined, '/colour'],
		['/presence?namespace=shop', undefined, '/namespace'],
	];
	const before = await stage.store.xlen(stage.stream);
	for (const [path, body, pointer] of table) {
		const reply = await call(stage, path, body);
		const label = `${path} ${JSON.stringify(body)?.slice(0, 80)}`;
		assert.deepEqual([reply.status, reply.body.status], [400, 400], label);
		assert.equal(reply.headers.get('content-type'), 'application/problem+json', label);
		assert.ok(pointersOf(reply).includes(pointer), `${label}: ${JSON.stringify(reply.body)}`);
	}
	assert.equal(await stage.store.xlen(stage.stream), before);
	assert.equal((await call(stage, '/nothing')).status, 404);
	const wrongMethod = await call(stage, '/emit');
	assert.deepEqual([wrongMethod.status, wrongMethod.body.status, wrongMethod.headers.get('allow')], [405, 405, 'POST']);
}

async function refusesBadBodies(stage: Stage): Promise<void> {
	const large = JSON.stringify({ event: 'x', args: ['y'.repeat(MAX_BODY_BYTES)] });
	assert.equal((await call(stage, '/emit', large)).status, 413);
	const chunked = await fetch(`${stage.url}/emit`, {
		method: 'POST',
		headers: { authorization: `Bearer ${FULL}` },
		body: new Blob([large]).stream(),
		duplex: 'half',
	});
	assert.equal(chunked.status, 413);
	await chunked.text();
	const zipped = await fetch(`${stage.url}/emit`, {
		method: 'POST',
		headers: { authorization: `Bearer ${FULL}`, 'content-encoding': 'gzip' },
		body: 'x',
	});
	assert.equal(zipped.status, 400);
	await zipped.text();
	// A client that goes away in the middle of its body has sent nothing.
	const before = await stage.store.xlen(stage.stream);
	const socket = connect(stage.port, '127.0.0.1');
	await once(socket, 'connect');
	socket.write(`POST /emit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${FULL}\r\nContent-Length: 100\r\n\r\n{"event":"half"`);
	socket.end();
	socket.resume();
	await once(socket, 'close');
	assert.equal((await call(stage, '/emit', { event: 'whole' })).status, 202);
	assert.equal(await stage.store.xlen(stage.stream), before + 1);
}

async function checksTokens(stage: Stage): Promise<void> {
	const emit = (body: object, token: string): Promise<Reply> => call(stage, '/emit', { event: 'x', ...body }, token);
	const shop = 'shop-token-00000001';
	const none = await emit({}, '');
	assert.deepEqual([none.status, none.headers.get('www-authenticate')], [401, 'Bearer realm="socketfleet"']);
	assert.equal((await emit({}, 'wrong-token-00000000')).status, 401);
	assert.match(String((await emit({}, 'expired-token-000001')).body.detail), /"old" has expired/);
	assert.equal((await emit({ namespace: '/shop', rooms: ['order:1'] }, shop)).status, 202);
	const refused: readonly (readonly [Reply, string])[] = [
		[await emit({ rooms: ['order:1'] }, shop), 'namespaces'],
		[await emit({ namespace: '/shop', rooms: ['order:1', 'user:1'] }, shop), 'roomPrefixes'],
		[await emit({ namespace: '/shop' }, shop), 'roomPrefixes'],
		[await call(stage, '/disconnect', { namespace: '/shop', rooms: ['order:1'] }, shop), 'verbs'],
		[await call(stage, '/sockets?namespace=/shop', undefined, shop), 'roomPrefixes'],
	];
	for (const [reply, scope] of refused) {
		assert.deepEqual([reply.status, reply.body.scope], [403, scope]);
	}
	// Rotation: the file changes under a running process, a broken one is passed over.
	writeFileSync(stage.tokensFile, '{ broken');
	writeFileSync(stage.tokensFile, JSON.stringify({ tokens: [...TOKENS.tokens, { name: 'next', token: 'next-token-000000001' }] }));
	await waitFor('the new token to count', async () => (await emit({}, 'next-token-000000001')).status === 202);
}

async function limitsRate(stage: Stage): Promise<void> {
	const slow = 'slow-token-000000001';
	const first = await call(stage, '/emit', { event: 'x' }, slow);
	assert.equal(first.status, 202);
	assert.equal(first.headers.get('ratelimit-policy'), '"messages";q=2;w=1');
	assert.equal(first.headers.get('ratelimit'), '"messages";r=1;t=1');
	const whole = await call(stage, '/emit', { messages: [{ event: 'x' }, { event: 'x' }, { event: 'x' }] }, slow);
	assert.deepEqual([whole.status, whole.body.code], [413, 'ERR_TOO_LARGE']);
	// At two a second these would take half a minute to be let through, all of them.
	const replies = await Promise.all(Array.from({ length: 60 }, () => call(stage, '/emit', { event: 'x' }, slow)));
	const limited = replies.find(({ status }) => status === 429);
	assert.ok(limited);
	assert.match(limited.headers.get('retry-after') ?? '', /^\d+$/);
	assert.equal(limited.body.code, 'ERR_RATE');
}

async function servesDocument(stage: Stage): Promise<void> {
	const { status, body } = await call(stage, '/openapi.json', undefined, '');
	assert.equal(status, 200);
	assert.deepEqual(body, JSON.parse(readFileSync(new URL('../../docs/reference/openapi.json', import.meta.url), 'utf8')));
}
