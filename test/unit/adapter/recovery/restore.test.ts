import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Namespace } from 'socket.io';
import { Adapter } from 'socket.io-adapter';
import type { Outbox } from '../../../../src/adapter/dispatch/outbox.ts';
import type { OfficialAdapter, RecoverableSocket } from '../../../../src/adapter/official.ts';
import { Recovery, type RecoveryDeps } from '../../../../src/adapter/recovery/restore.ts';
import { createPrivateId, createWorkerId } from '../../../../src/adapter/sessions/private-id.ts';
import { encodeRecord, type SessionRecord } from '../../../../src/adapter/sessions/record.ts';
import { Sessions } from '../../../../src/adapter/sessions/sessions.ts';
import type { ClaimResult, SessionStore } from '../../../../src/adapter/sessions/store.ts';
import { createSilentLogger } from '../../../../src/base/log.ts';
import { loadConfig } from '../../../../src/config/load.ts';
import { REFUSAL_REASONS, type Refusal } from '../../../../src/metrics/refusals.ts';
import { createMetrics } from '../../../../src/metrics/registry.ts';
import type { StreamEntry } from '../../../../src/stream/entry.ts';
import { STREAM_START, type StreamOffset } from '../../../../src/stream/offset.ts';

const at = (ms: number): StreamOffset => `${ms}-0` as StreamOffset;
const NSP = { name: '/' } as Namespace;
const WORKER = createWorkerId();
const ELSEWHERE = createWorkerId();
const PID = createPrivateId(ELSEWHERE);
const RECORD: SessionRecord = {
	nsp: '/',
	sid: 'sid',
	pid: PID,
	stays: [{ room: 'hall', from: at(1), to: undefined }],
	data: { name: 'x' },
	at: at(10),
	sentUpTo: STREAM_START,
	outsideAt: undefined,
};

const claimed = (record: Partial<SessionRecord> = {}, savedInEpoch = 'e'): ClaimResult => ({
	kind: 'claimed',
	record: encodeRecord({ ...RECORD, ...record }, () => undefined),
	epoch: 'e',
	savedInEpoch,
});

function entry(ms: number, type: number, content: object): StreamEntry {
	const data = JSON.stringify({ opts: { rooms: ['hall'], except: [], flags: {} }, ...content });
	return { id: at(ms), uid: 'u', nsp: '/', type, data, mark: undefined, rooms: undefined };
}

/** A worker that has read up to entry 30, one of which was missed, and a store that answers `claims` one after the other. */
class World {
	cursor: StreamOffset | undefined = at(30);
	isOutside = false;
	claims: ClaimResult[] = [claimed()];
	readonly asked: string[] = [];
	readonly entries: StreamEntry[] = [entry(20, 3, { packet: { type: 2, data: ['missed'] } })];
	lead: OlderEntries['lead'] = () => Promise.resolve('ok');
	claim: SessionStore['claim'] = () => Promise.resolve(this.claims.shift() ?? { kind: 'none' });
	readonly metrics = createMetrics();
	readonly log = createSilentLogger();
	readonly config = { ...loadConfig({ env: {}, flags: {}, cwd: '/nonexistent' }).config, maxBufferedBytes: 1000 };

	createRecovery(t: TestContext): Recovery {
		const { metrics, log, config } = this;
		const store: SessionStore = {
			write: (writes, epoch) => Promise.resolve({ epoch, results: writes.map(() => 'ok') }),
			claim: (...args) => this.claim(...args),
			readEpoch: () => Promise.resolve('e'),
			endEpoch: () => Promise.resolve('f'),
		};
		const recent = new RecentEntries(1e6, STREAM_START);
		for (const each of this.entries) {
			recent.append(each);
		}
		const cursor = (): StreamOffset => this.cursor ?? STREAM_START;
		const sessions = new Sessions({ store, config, metrics, log, cursor, onLost: () => undefined, onEpoch: () => undefined });
		t.after(() => sessions.close());
		const own = { isOutside: () => this.isOutside };
		const hub = Object.defineProperty({ own }, 'cursor', { get: () => this.cursor }) as unknown as StreamHub;
		const older = { lead: (replay) => this.lead(replay) } as Pick<OlderEntries, 'lead'> as OlderEntries;
		const takeOver: RecoveryDeps['takeOver'] = (owner) => {
			this.asked.push(owner);
			return Promise.resolve();
		};
		return new Recovery({ hub, sessions, store, recent, older, config, metrics, log, worker: WORKER, takeOver });
	}

	async counted(): Promise<unknown[]> {
		const { own } = await this.metrics.snapshot();
		const samples = own.find(({ name }) => name === 'socketfleet_recovery_total')?.samples ?? [];
		return samples.map(({ labels, value }) => [labels.result, labels.reason, value]);
	}
}

/** What makes it so; `offset` is what the client comes with. */
const CAUSES: Readonly<Record<Exclude<Refusal, 'not_held'>, { readonly offset?: string; cause(world: World, t: TestContext): unknown }>> = {
	bad_offset: { offset: 'hello', cause: () => undefined },
	outside_stream: { offset: '10-0~', cause: () => undefined },
	no_session: { cause: (world) => Object.assign(world, { claims: [] }) },
	rewound: { cause: (world) => Object.assign(world, { claims: [claimed({}, 'before')] }) },
	trimmed: { cause: (world) => Object.assign(world, { lead: () => Promise.resolve('incomplete') }) },
	kicked: { cause: ({ entries }) => entries.push(entry(21, 6, { close: true })) },
	too_much: { cause: ({ entries }) => entries.push(entry(21, 3, { packet: { type: 2, data: ['missed', 'x'.repeat(1000)] } })) },
	behind: {
		cause: (world, t) => {
			world.cursor = at(9);
			const began = performance.now();
			let asked = 0;
			t.mock.method(performance, 'now', () => began + 2000 * asked++);
		},
	},
	redis_away: { cause: (world) => Object.assign(world, { claim: () => Promise.reject(new Error('Connection is closed.')) }) },
	timeout: {
		cause: (world, t) => {
			t.mock.timers.enable({ apis: ['setTimeout'] });
			world.claim = () => {
				setImmediate(() => t.mock.timers.tick(10_000));
				return new Promise(() => undefined);
			};
		},
	},
};

for (const [reason, { offset, cause }] of Object.entries(CAUSES)) {
	test(`a client that is refused for ${reason} is counted under it`, async (t) => {
		const world = new World();
		cause(world, t);
		assert.equal(await world.createRecovery(t).restore(NSP, PID, offset ?? '10-0'), null);
		assert.deepEqual(await world.counted(), [['refused', reason, 1]]);
	});
}

test('every reason but the one that comes after the middlewares is in these tests', () => {
	assert.deepEqual([...Object.keys(CAUSES), 'not_held'].toSorted(), [...REFUSAL_REASONS].toSorted());
});

test('while clients here are ahead of the stream, or it was not read yet, nobody is looked for', async (t) => {
	const world = new World();
	world.claim = () => assert.fail('claimed');
	const recovery = world.createRecovery(t);
	world.isOutside = true;
	assert.equal(await recovery.restore(NSP, PID, '10-0'), null);
	world.cursor = undefined;
	assert.equal(await recovery.restore(NSP, PID, '10-0'), null);
	assert.deepEqual(await world.counted(), [
		['refused', 'outside_stream', 1],
		['refused', 'redis_away', 1],
	]);
});

test('what was given up while the middlewares ran makes no recovery: the client is counted, and gets a private id of this worker', async (t) => {
	const world = new World();
	const recovery = world.createRecovery(t);
	assert.deepEqual(await recovery.restore(NSP, PID, '10-0'), { sid: 'sid', pid: PID, rooms: [], data: { name: 'x' }, missedPackets: [] });
	assert.deepEqual(await world.counted(), []);
	recovery.dropHeld();
	const socket = { id: 'sid', pid: PID, data: {}, conn: {}, handshake: { auth: {} }, recovered: true } as unknown as RecoverableSocket;
	recovery.onConnect({ nsp: NSP } as OfficialAdapter, socket, new Set(['sid']));
	assert.deepEqual(await world.counted(), [['refused', 'not_held', 1]]);
	assert.equal(socket.recovered, false);
	assert.ok(socket.pid !== PID && socket.pid?.startsWith(WORKER));
});

test('a session that Redis does not have is asked for at the worker that gave the private id out', async (t) => {
	const world = new World();
	world.claims = [{ kind: 'none' }, claimed()];
	assert.equal((await world.createRecovery(t).restore(NSP, PID, '10-0'))?.sid, 'sid');
	world.claims = [{ kind: 'owned', owner: 'another' }, claimed()];
	assert.equal((await world.createRecovery(t).restore(NSP, PID, '10-0'))?.sid, 'sid');
	assert.deepEqual(world.asked, [ELSEWHERE, 'another']);
});
