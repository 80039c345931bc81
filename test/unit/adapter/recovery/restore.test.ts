import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Namespace } from 'socket.io';
import { Adapter } from 'socket.io-adapter';
import { LocalNamespaces } from '../../../../src/adapter/dispatch/namespaces.ts';
import type { Outbox } from '../../../../src/adapter/dispatch/outbox.ts';
import type { OfficialAdapter, RecoverableSocket } from '../../../../src/adapter/official.ts';
import { Position } from '../../../../src/adapter/position.ts';
import { Recovery, type RecoveryDeps } from '../../../../src/adapter/recovery/restore.ts';
import { createPrivateId, createWorkerId } from '../../../../src/adapter/sessions/private-id.ts';
import { encodeRecord, type SessionRecord } from '../../../../src/adapter/sessions/record.ts';
import { Sessions } from '../../../../src/adapter/sessions/sessions.ts';
import type { ClaimResult, SessionStore, SessionWrite } from '../../../../src/adapter/sessions/store.ts';
import { createSilentLogger } from '../../../../src/base/log.ts';
import { loadConfig } from '../../../../src/config/load.ts';
import { REFUSAL_REASONS, type Refusal } from '../../../../src/metrics/refusals.ts';
import { createMetrics } from '../../../../src/metrics/registry.ts';
import { MESSAGES_LOST, type StreamEntry } from '../../../../src/stream/entry.ts';
import { STREAM_START } from '../../../../src/stream/offset.ts';
import { DISCONNECT_SOCKETS, SOCKETS_JOIN } from '../../../../src/stream/protocol.ts';
import { at } from '../fake-worker.ts';
import { FakeDelivery, missedEntry } from './fake-delivery.ts';

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

/** A worker that has dispatched up to entry 30, one of which was missed, and a store that answers `claims` one after the other. */
class World {
	readonly position = new Position();
	readonly delivery = new FakeDelivery();
	isOutside = false;
	claims: ClaimResult[] = [claimed()];
	readonly asked: string[] = [];
	readonly written: SessionWrite[] = [];
	claim: SessionStore['claim'] = () => Promise.resolve(this.claims.shift() ?? { kind: 'none' });
	tickNow: RecoveryDeps['tickNow'] = () => Promise.resolve();
	readonly metrics = createMetrics();
	readonly log = createSilentLogger();
	readonly config = { ...loadConfig({ env: {}, flags: {}, cwd: '/nonexistent' }).config, maxBufferedBytes: 1000 };
	readonly namespaces = new LocalNamespaces(this.metrics, this.log);

	constructor() {
		this.position.moveTo(at(30));
		this.delivery.log.push(missedEntry(20, 'hall', 'missed'));
	}

	createRecovery(t: TestContext): Recovery {
		const { metrics, log, config, position, namespaces } = this;
		const store: SessionStore = {
			write: (writes, epoch) => {
				this.written.push(...writes);
				return Promise.resolve({ epoch, results: writes.map(() => 'ok') });
			},
			claim: (...args) => this.claim(...args),
			readEpoch: () => Promise.resolve('e'),
			endEpoch: () => Promise.resolve('f'),
		};
		const sessions = new Sessions({ store, config, metrics, log, position, onLost: () => undefined, onEpoch: () => undefined });
		t.after(() => sessions.close());
		const takeOver: RecoveryDeps['takeOver'] = (owner) => {
			this.asked.push(owner);
			return Promise.resolve();
		};
		const outbox = { isOutside: () => this.isOutside } as Pick<Outbox, 'isOutside'> as Outbox;
		const parts = { position, outbox, namespaces, delivery: this.delivery.asDelivery, sessions, store };
		return new Recovery({ ...parts, config, metrics, log, worker: WORKER, takeOver, tickNow: () => this.tickNow() });
	}

	/** An entry comes while middlewares run. */
	dispatch(entry: StreamEntry): void {
		this.position.advance(entry.id);
		this.position.dispatch(() => this.namespaces.tell(entry));
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
	trimmed: { cause: (world) => Object.assign(world.delivery, { onRead: () => Promise.resolve('trimmed') }) },
	kicked: { cause: ({ delivery }) => delivery.log.push(missedEntry(21, 'hall', { type: DISCONNECT_SOCKETS })) },
	lost: { cause: ({ delivery }) => delivery.log.push(missedEntry(21, 'hall', { type: MESSAGES_LOST })) },
	too_much: { cause: ({ delivery }) => delivery.log.push(missedEntry(21, 'hall', 'x'.repeat(1000))) },
	behind: {
		cause: (world, t) => {
			world.position.moveTo(at(9));
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
		assert.deepEqual([...world.delivery.held], [], 'no room is kept for it');
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
	Object.defineProperty(world.position, 'cursor', { value: undefined });
	assert.equal(await recovery.restore(NSP, PID, '10-0'), null);
	assert.deepEqual(await world.counted(), [
		['refused', 'outside_stream', 1],
		['refused', 'redis_away', 1],
	]);
});

/** A socket in a namespace, and what its client is sent. */
function connect(recovered = true): { readonly adapter: OfficialAdapter; readonly socket: RecoverableSocket; readonly sent: unknown[] } {
	const sent: unknown[] = [];
	const socket = {
		id: 'sid',
		pid: PID,
		data: {},
		conn: {},
		handshake: { auth: {} },
		recovered,
		client: { writeToEngine: ([packet]: { data: unknown }[]) => sent.push(packet?.data) },
	} as unknown as RecoverableSocket;
	// Socket.IO's own.
	Object.setPrototypeOf(socket, { packet: ({ data }: { data: unknown }) => sent.push(data) });
	const nsp = { name: NSP.name, server: { encoder: { encode: (packet: unknown) => [packet] } }, sockets: new Map([['sid', socket]]) };
	return { adapter: new Adapter(nsp) as unknown as OfficialAdapter, socket, sent };
}

const sendConnect = (socket: RecoverableSocket): void =>
	(socket as unknown as { packet(packet: object): void }).packet({ data: 'CONNECT' });

test('a client that is back is in its rooms, and gets what it missed behind CONNECT, with what came while its middlewares ran', async (t) => {
	const world = new World();
	const recovery = world.createRecovery(t);
	assert.deepEqual(await recovery.restore(NSP, PID, '10-0'), { sid: 'sid', pid: PID, rooms: [], data: { name: 'x' }, missedPackets: [] });
	assert.deepEqual(await world.counted(), []);
	assert.deepEqual([...world.delivery.held], [['hall', 1]]);
	world.dispatch(missedEntry(31, 'hall', 'meanwhile'));
	world.dispatch(missedEntry(32, 'hall', { type: SOCKETS_JOIN, moved: 'new' }));
	world.dispatch(missedEntry(33, 'new', 'in the new room'));
	const { adapter, socket, sent } = connect();
	recovery.onConnect(adapter, socket, new Set(['sid']));
	assert.deepEqual(await world.counted(), [['recovered', 'none', 1]]);
	assert.deepEqual([socket.recovered, socket.pid], [true, PID]);
	assert.deepEqual([...(adapter.sids.get('sid') ?? [])], ['hall', 'new']);
	assert.deepEqual([...world.delivery.held], [], 'its membership is its own again');
	assert.deepEqual(sent, []);
	void adapter.addAll('sid', new Set(['sid']));
	sendConnect(socket);
	assert.deepEqual(sent, ['CONNECT', ['missed', '20-0'], ['meanwhile', '31-0'], ['in the new room', '33-0']]);
	sendConnect(socket);
	assert.deepEqual(sent.slice(4), ['CONNECT'], 'what was missed is sent once');
});

/** What happens while its middlewares run. */
const OBSTACLES: Partial<Record<Refusal, (world: World, recovery: Recovery) => void>> = {
	not_held: (_world, recovery) => recovery.dropHeld(),
	kicked: (world) => world.dispatch(missedEntry(31, 'hall', { type: DISCONNECT_SOCKETS })),
	lost: (world) => world.dispatch(missedEntry(31, 'hall', { type: MESSAGES_LOST })),
	too_much: (world) => world.dispatch(missedEntry(31, 'hall', 'x'.repeat(1000))),
	outside_stream: (world) => {
		world.isOutside = true;
	},
};

for (const [reason, happen] of Object.entries(OBSTACLES)) {
	test(`what comes up while middlewares run makes no recovery: ${reason}; the client is counted, and gets a private id of this worker`, async (t) => {
		const world = new World();
		const recovery = world.createRecovery(t);
		assert.equal((await recovery.restore(NSP, PID, '10-0'))?.sid, 'sid');
		happen(world, recovery);
		const { adapter, socket, sent } = connect();
		recovery.onConnect(adapter, socket, new Set(['sid']));
		assert.deepEqual(await world.counted(), [['refused', reason, 1]]);
		assert.equal(socket.recovered, false);
		assert.ok(socket.pid !== PID && socket.pid?.startsWith(WORKER));
		sendConnect(socket);
		assert.deepEqual(sent, ['CONNECT']);
		assert.deepEqual([...world.delivery.held], []);
	});
}

test('a client whose middlewares refuse it, or that comes once more, keeps no room', async (t) => {
	const world = new World();
	world.claims = [claimed(), claimed(), claimed()];
	const recovery = world.createRecovery(t);
	await recovery.restore(NSP, PID, '10-0');
	await recovery.restore(NSP, PID, '10-0');
	assert.deepEqual([...world.delivery.held], [['hall', 1]], 'the first one has ended');
	recovery.onGone('/', 'sid');
	assert.deepEqual([...world.delivery.held], []);
	assert.equal((await recovery.restore(NSP, PID, '10-0'))?.sid, 'sid', 'its session can be tried again');
	recovery.dropHeld();
	assert.deepEqual([...world.delivery.held], []);
});

test('a restore that ends after its time keeps no room', async (t) => {
	t.mock.timers.enable({ apis: ['setTimeout'] });
	const world = new World();
	const answer = Promise.withResolvers<undefined>();
	world.delivery.onRead = () => {
		setImmediate(() => t.mock.timers.tick(10_000));
		return answer.promise;
	};
	assert.equal(await world.createRecovery(t).restore(NSP, PID, '10-0'), null);
	assert.deepEqual(await world.counted(), [['refused', 'timeout', 1]]);
	answer.resolve(undefined);
	await new Promise(setImmediate);
	assert.deepEqual([...world.delivery.held], []);
});

test('a worker that is behind the client asks where the log is, and waits for it', async (t) => {
	const world = new World();
	world.position.moveTo(at(9));
	let asked = 0;
	world.tickNow = () => {
		asked++;
		world.position.advance(at(30));
		return Promise.resolve();
	};
	assert.equal((await world.createRecovery(t).restore(NSP, PID, '10-0'))?.sid, 'sid');
	assert.equal(asked, 1);
});

test('a client in a quiet room is read for since its session was saved, which says that it was sent nothing before', async (t) => {
	for (const [record, offset, from] of [
		[{ at: at(25), sentUpTo: at(8) }, '8-0', at(25)],
		[{ at: at(25), sentUpTo: at(9) }, '8-0', at(8)],
		[{ at: at(25), sentUpTo: at(8) }, '28-0', at(28)],
	] as const) {
		const world = new World();
		world.claims = [claimed(record)];
		await world.createRecovery(t).restore(NSP, PID, offset);
		assert.deepEqual(
			world.delivery.reads.map((read) => read.from),
			[from],
		);
	}
});

test('only who has seen an entry behind what was delivered without the log has all of it', async (t) => {
	for (const [offset, sid] of [
		['15-0', undefined],
		['16-0', 'sid'],
	] as const) {
		const world = new World();
		world.claims = [claimed({ outsideAt: at(15) })];
		assert.equal((await world.createRecovery(t).restore(NSP, PID, offset))?.sid, sid);
	}
});

test('who was thrown out is removed from Redis', async (t) => {
	const world = new World();
	world.delivery.log.push(missedEntry(21, 'hall', { type: DISCONNECT_SOCKETS }));
	await world.createRecovery(t).restore(NSP, PID, '10-0');
	assert.deepEqual(world.written, [{ kind: 'remove', pid: PID }]);
});

test('a session that Redis does not have is asked for at the worker that gave the private id out', async (t) => {
	const world = new World();
	world.claims = [{ kind: 'none' }, claimed()];
	assert.equal((await world.createRecovery(t).restore(NSP, PID, '10-0'))?.sid, 'sid');
	world.claims = [{ kind: 'owned', owner: 'another' }, claimed()];
	assert.equal((await world.createRecovery(t).restore(NSP, PID, '10-0'))?.sid, 'sid');
	assert.deepEqual(world.asked, [ELSEWHERE, 'another']);
});
