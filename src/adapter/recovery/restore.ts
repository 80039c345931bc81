/**
 * Brings a client back: it gets its rooms and exactly what it missed, or is told that it was not recovered. Everything is checked
 * first; nothing is joined, sent or given up before its middlewares have passed.
 */
import { randomBytes } from 'node:crypto';
import type { Namespace } from 'socket.io';
import { Adapter, type Session } from 'socket.io-adapter';
import { sleep, withDeadline } from '../../base/deadline.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Config } from '../../config/schema.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { compareOffsets, isAfter, parseOffset, type StreamOffset } from '../../stream/offset.ts';
import { EVENT_PACKET } from '../../stream/protocol.ts';
import type { StreamHub } from '../dispatch/dispatcher.ts';
import { OUTSIDE_STREAM } from '../dispatch/outbox.ts';
import { cutConnection } from '../ending.ts';
import type { OfficialAdapter, RecoverableSocket } from '../official.ts';
import { decodeRecord, type Room, type SessionRecord } from '../sessions/record.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { ClaimResult, SessionStore } from '../sessions/store.ts';
import type { OlderEntries } from './older-entries.ts';
import type { RecentEntries } from './recent-entries.ts';
import { Replay } from './replay.ts';
import { Semaphore } from './semaphore.ts';

export interface RecoveryDeps {
	readonly hub: StreamHub;
	readonly sessions: Sessions;
	readonly store: SessionStore;
	readonly recent: RecentEntries;
	readonly older: OlderEntries;
	readonly config: Config;
	readonly metrics: Metrics;
	readonly log: Logger;
	/** Asks the worker that owns a session to let go of it; resolves when it has, or is gone. */
	takeOver(owner: string, pid: string): Promise<void>;
}

type Refusal =
	| 'bad_offset'
	| 'outside_stream'
	| 'no_session'
	| 'rewound'
	| 'trimmed'
	| 'kicked'
	| 'too_much'
	| 'behind'
	| 'redis_away'
	| 'timeout'
	| 'not_held';

class RefusedError extends Error {
	readonly reason: Refusal;
	constructor(reason: Refusal) {
		super(reason);
		this.reason = reason;
	}
}

const RESTORE_TIMEOUT_MS = 10_000;
const CLAIM_TIMEOUT_MS = 2000;
/** How long this worker may need to come to where the client has been. */
const CATCH_UP_TIMEOUT_MS = 3000;
const MAX_RESTORES = 64;
const MAX_HELD = 10_000;

export class Recovery {
	readonly #deps: RecoveryDeps;
	readonly #admission = new Semaphore(MAX_RESTORES);
	/** Checked, and waiting for their middlewares. */
	readonly #held = new Map<string, Replay>();

	constructor(deps: RecoveryDeps) {
		this.#deps = deps;
	}

	/** Called before the socket exists. Null: not recovered. Never rejects. */
	async restore(nsp: Namespace, pid: string, offsetText: string): Promise<Session | null> {
		try {
			const offset = parseOffset(offsetText);
			if (offset === undefined) {
				throw new RefusedError(offsetText.endsWith(OUTSIDE_STREAM) ? 'outside_stream' : 'bad_offset');
			}
			const { record, replay } = await withDeadline(
				this.#admission.run(() => this.#check(nsp.name, pid, offset)),
				RESTORE_TIMEOUT_MS,
				'restoring a session',
			);
			this.#hold(keyOf(nsp.name, record.sid), replay);
			// No rooms and no packets: the socket that is made of this must neither hear nor be sent anything yet.
			return { sid: record.sid, pid, rooms: [], data: record.data, missedPackets: [] };
		} catch (error) {
			this.#refuse(error);
			return null;
		}
	}

	/** The socket is connected, CONNECT goes out next, and what the client missed right behind it. */
	onConnect(adapter: OfficialAdapter, socket: RecoverableSocket, joined: ReadonlySet<Room>): void {
		const { sessions, hub, recent, metrics } = this.#deps;
		const nsp = adapter.nsp.name;
		const replay = this.#held.get(keyOf(nsp, socket.id));
		this.#held.delete(keyOf(nsp, socket.id));
		if (socket.recovered && replay && hub.cursor && !hub.own.isOutside(nsp) && replay.advance(recent, hub.cursor) === 'ok') {
			sessions.open(nsp, socket.pid ?? '', socket, replay.stays);
			void Adapter.prototype.addAll.call(
				adapter,
				socket.id,
				new Set(replay.stays.filter(({ to }) => to === undefined).map(({ room }) => room)),
			);
			afterNextPacket(socket, () => this.#sendMissed(adapter, socket.id, replay));
			metrics.inc('socketfleet_recovery_total', { result: 'recovered', reason: 'none' }, 1);
		} else {
			if (socket.recovered) {
				withdraw(socket);
				this.#count(replay === undefined ? 'not_held' : hub.own.isOutside(nsp) ? 'outside_stream' : refusalOf(replay));
			}
			sessions.open(nsp, socket.pid ?? '', socket);
		}
		const session = sessions.find(nsp, socket.id);
		if (session) {
			void sessions.join(session, joined);
		}
	}

	#sendMissed(adapter: OfficialAdapter, sid: string, replay: Replay): void {
		const opts = { rooms: new Set([sid]), except: new Set<Room>() };
		for (const { id, data } of replay.missed) {
			try {
				Adapter.prototype.broadcast.call(adapter, { type: EVENT_PACKET, data: [...data, id] }, opts);
			} catch (error) {
				// It can't be encoded: those who were there have not got it either.
				this.#deps.metrics.inc('socketfleet_stream_entries_dropped_total', { reason: 'failed' }, 1);
				this.#deps.log.error({ err: error, offset: id }, 'sending a missed message failed');
			}
		}
	}

	/** The socket left all rooms: it was disconnected, or its middlewares refused it. The session of the latter can be tried again. */
	onGone(nsp: string, sid: string): void {
		this.#held.delete(keyOf(nsp, sid));
		const session = this.#deps.sessions.find(nsp, sid);
		if (session) {
			this.#deps.sessions.remove(session);
		}
	}

	/** What was checked is no longer true. */
	dropHeld(): void {
		this.#held.clear();
	}

	/** A client that was connected once, but has been sent nothing that tells where it is. */
	onWithoutOffset(): void {
		this.#count('bad_offset');
	}

	async #check(nsp: string, pid: string, offset: StreamOffset): Promise<{ record: SessionRecord; replay: Replay }> {
		const { hub, recent, older, config } = this.#deps;
		if (hub.cursor === undefined) {
			throw new RefusedError('redis_away');
		}
		if (hub.own.isOutside(nsp)) {
			// Clients here have been sent what the stream will bring later: this one would never be.
			throw new RefusedError('outside_stream');
		}
		const record = await this.#claim(nsp, pid);
		// Up to where the session was saved, too: joins and leaves before that are in it, and must not be applied to the new socket again.
		await this.#waitUntilAt(isAfter(record.at, offset) ? record.at : offset);
		if (record.outsideAt !== undefined && !isAfter(offset, record.outsideAt)) {
			throw new RefusedError('outside_stream');
		}
		const replay = new Replay(record, startOf(record, offset), config.maxBufferedBytes);
		if ((await older.lead(replay)) === 'incomplete') {
			throw new RefusedError('trimmed');
		}
		const cursor = hub.cursor;
		if (replay.advance(recent, cursor) !== 'ok') {
			if (replay.state === 'kicked') {
				await this.#removeKicked(pid);
			}
			throw new RefusedError(refusalOf(replay));
		}
		return { record, replay };
	}

	async #claim(nsp: string, pid: string): Promise<SessionRecord> {
		const { sessions } = this.#deps;
		const live = sessions.findByPid(pid);
		if (live) {
			// The old connection ends here and now; what it leaves behind is saved before it is claimed.
			cutConnection(live.socket.conn);
		}
		await sessions.settle(pid);
		const claim = await withDeadline(this.#claimFrom(pid), CLAIM_TIMEOUT_MS, 'claiming a session');
		if (claim.kind !== 'claimed') {
			throw new RefusedError('no_session');
		}
		if (claim.savedInEpoch !== claim.epoch) {
			throw new RefusedError('rewound');
		}
		const record = decodeRecord(claim.record);
		if (record === undefined || record.nsp !== nsp || record.pid !== pid) {
			throw new RefusedError('no_session');
		}
		return record;
	}

	async #claimFrom(pid: string): Promise<ClaimResult> {
		const { store, config, takeOver } = this.#deps;
		const claim = await store.claim(pid, false, config.recoveryWindowMs);
		if (claim.kind !== 'owned') {
			return claim;
		}
		await takeOver(claim.owner, pid);
		return store.claim(pid, true, config.recoveryWindowMs);
	}

	/** The client may have been served by a worker that is a little further on. */
	async #waitUntilAt(offset: StreamOffset): Promise<void> {
		const deadline = performance.now() + CATCH_UP_TIMEOUT_MS;
		while (this.#deps.hub.cursor === undefined || compareOffsets(this.#deps.hub.cursor, offset) < 0) {
			if (performance.now() > deadline) {
				throw new RefusedError('behind');
			}
			await sleep(5);
		}
	}

	async #removeKicked(pid: string): Promise<void> {
		const { store, sessions } = this.#deps;
		await store.write([{ kind: 'remove', pid }], sessions.epoch ?? (await store.readEpoch()));
	}

	#hold(key: string, replay: Replay): void {
		this.#held.set(key, replay);
		if (this.#held.size > MAX_HELD) {
			// Its middlewares never came to an end. Should they yet, the client is told that it was not recovered.
			const [oldest] = this.#held.keys();
			this.#held.delete(oldest ?? '');
		}
	}

	#refuse(error: unknown): void {
		if (error instanceof RefusedError) {
			this.#count(error.reason);
			return;
		}
		this.#deps.log.debug({ err: messageOf(error) }, 'a session could not be restored');
		this.#count(messageOf(error).includes('took longer') ? 'timeout' : 'redis_away');
	}

	#count(reason: Refusal): void {
		this.#deps.metrics.inc('socketfleet_recovery_total', { result: 'refused', reason }, 1);
	}
}

/** A client in a quiet room has an old offset and has missed nothing since: what it may have missed begins where it was last there. */
function startOf(record: SessionRecord, offset: StreamOffset): StreamOffset {
	return !isAfter(record.sentUpTo, offset) && isAfter(record.at, offset) ? record.at : offset;
}

function refusalOf(replay: Replay): Refusal {
	switch (replay.state) {
		case 'kicked':
		case 'too_much':
			return replay.state;
		default:
			return 'trimmed';
	}
}

/**
 * Socket.IO itself sends what was missed before CONNECT. The stock client keeps such packets for the CONNECT that follows, even one of a
 * later connection: if this connection breaks in between, it would have them twice.
 */
function afterNextPacket(socket: RecoverableSocket, run: () => void): void {
	const instance = socket as unknown as { packet?: (...args: unknown[]) => void };
	const { packet } = instance;
	instance.packet = (...args) => {
		// The prototype's own again.
		delete instance.packet;
		packet?.apply(socket, args);
		run();
	};
}

/** The promise can't be kept after all. The client compares private ids: another one tells it that it was not recovered. */
function withdraw(socket: RecoverableSocket): void {
	const writable = socket as { pid: string; recovered: boolean };
	writable.recovered = false;
	writable.pid = randomBytes(15).toString('base64url');
}

function keyOf(nsp: string, sid: string): string {
	return `${nsp}\0${sid}`;
}
