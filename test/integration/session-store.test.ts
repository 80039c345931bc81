/** Sessions in a real Redis: who may write what, both forms of a record, and what one costs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { createPrivateId, createWorkerId } from '../../src/adapter/sessions/private-id.ts';
import { decodeRecord, encodeRecord, type SessionRecord } from '../../src/adapter/sessions/record.ts';
import { createSessionStore, type SessionStore, type SessionWrite } from '../../src/adapter/sessions/store.ts';
import { createSilentLogger } from '../../src/base/log.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createRedis } from '../../src/redis/client.ts';
import { redisKeysOf } from '../../src/redis/keys.ts';
import type { StreamOffset } from '../../src/stream/offset.ts';
import { lastFirst } from '../support/last-first.ts';
import { type Scope, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';

const TTL_MS = 60_000;
const at = (ms: number): StreamOffset => `${1_790_000_000_000 + ms}-0` as StreamOffset;

interface Stage {
	/** A store of a worker of its own. */
	createStore(isCompact?: boolean): SessionStore;
	readonly direct: Redis;
	readonly keyOf: (pid: string) => string;
}

async function startStage(t: Scope): Promise<Stage> {
	const server = await startRedis(t);
	const { config } = loadConfig({ env: {}, flags: { redisUrl: server.url, fleetKey: 'store-key-0123456789' }, cwd: '/nonexistent' });
	const redis = createRedis(config, createSilentLogger());
	t.after(() => redis.close());
	const direct = new Redis(server.url, { replyMapping: 'legacy' });
	t.after(() => direct.disconnect());
	await waitFor('Redis to answer', () => redis.state() === 'ready');
	const keys = redisKeysOf(config);
	return {
		direct,
		keyOf: (pid) => keys.session(pid),
		createStore: (isCompact = true) => createSessionStore(redis, keys, createWorkerId(), () => isCompact),
	};
}

/** Of a client in its own room and one more. */
function recordOf(pid: string, data: unknown = {}): SessionRecord {
	const stays = ['a-socket-id-of-20-ch', 'room-17'].map((room) => ({ room, from: at(1), to: undefined }));
	return { nsp: '/', sid: 'a-socket-id-of-20-ch', pid, stays, data, at: at(9), sentUpTo: at(8), outsideAt: undefined };
}

const write = (kind: 'save' | 'release', pid: string, data?: unknown): SessionWrite => ({
	kind,
	pid,
	record: encodeRecord(recordOf(pid, data), () => undefined),
	ttlMs: TTL_MS,
});

async function claimRecord(store: SessionStore, pid: string): Promise<SessionRecord | undefined> {
	const claim = await store.claim(pid, true, TTL_MS);
	assert.ok(claim.kind === 'claimed', claim.kind);
	assert.equal(claim.savedInEpoch, claim.epoch);
	return decodeRecord(claim.record);
}

test('a record is read as it was written: in pieces, or as text when it is long or the version before is to read it', async (context) => {
	const { createStore, direct, keyOf } = await startStage(lastFirst(context));
	const [compact, textual] = [createStore(true), createStore(false)];
	const epoch = await compact.readEpoch();
	const long = { text: 'x'.repeat(2000) };
	const cases = [
		[compact, 'compact', { binary: Buffer.from([0, 200, 255]), name: 'é' }, false],
		[compact, 'long', long, true],
		[textual, 'textual', {}, true],
		// Each of these takes the place of what was there in the other form, or of more pieces.
		[compact, 'long', {}, false],
		[compact, 'compact', {}, false],
		[textual, 'textual', long, true],
	] as const;
	for (const [store, pid, data, isText] of cases) {
		assert.deepEqual((await store.write([write('save', pid, data)], epoch)).results, ['ok']);
		assert.equal((await direct.hget(keyOf(pid), 'v')) !== null, isText);
		assert.ok((await direct.pttl(keyOf(pid))) > 0);
		assert.deepEqual(await claimRecord(store, pid), recordOf(pid, data));
	}
	// The version before wrote it so, and reads it so.
	const { record } = write('save', 'before') as { record: string };
	await direct.hset(keyOf('before'), 'o', '', 'e', epoch, 'v', record);
	assert.deepEqual(await claimRecord(compact, 'before'), recordOf('before'));
});

test('only the owner writes; what was released, or whose owner is known to be gone, is claimed', async (context) => {
	const { createStore, direct, keyOf } = await startStage(lastFirst(context));
	const [first, second] = [createStore(), createStore()];
	const epoch = await first.readEpoch();
	await first.write([write('save', 'a'), write('release', 'b')], epoch);
	assert.deepEqual((await second.write([write('save', 'a'), { kind: 'remove', pid: 'a' }], epoch)).results, ['not-owner', 'not-owner']);
	const claim = await second.claim('a', false, TTL_MS);
	assert.equal(claim.kind, 'owned');
	assert.equal((await second.claim('b', false, TTL_MS)).kind, 'claimed');
	assert.equal((await second.claim('never', true, TTL_MS)).kind, 'none');
	assert.deepEqual(await claimRecord(second, 'a'), recordOf('a'));
	assert.deepEqual((await first.write([write('release', 'a')], epoch)).results, ['not-owner']);
	assert.deepEqual((await second.write([{ kind: 'remove', pid: 'a' }, write('save', 'b')], epoch)).results, ['ok', 'ok']);
	assert.equal(await direct.exists(keyOf('a')), 0);
	const later = await second.endEpoch(epoch);
	assert.deepEqual(await second.write([write('save', 'c')], epoch), { epoch: later, results: [] });
	assert.equal(await direct.exists(keyOf('c')), 0);
});

test('the session of a client in one room beside its own takes at most 350 bytes of Redis', async (context) => {
	const { createStore, direct, keyOf } = await startStage(lastFirst(context));
	const store = createStore();
	const pid = createPrivateId(createWorkerId());
	await store.write([write('save', pid)], await store.readEpoch());
	const bytes = Number(await direct.memory('USAGE', keyOf(pid)));
	assert.ok(bytes <= 350, `${bytes} bytes`);
});
