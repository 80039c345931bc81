/**
 * Brings a client back: it gets its rooms and exactly what it missed, or is told that it was not recovered. Everything is checked
 * first; nothing is joined, sent or given up before its middlewares have passed.
 */
import type { Namespace } from 'socket.io';
import { Adapter, type Session } from 'socket.io-adapter';
import { sleep, withDeadline } from '../../base/deadline.ts';
import { AppError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Refusal } from '../../metrics/refusals.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { compareOffsets, isAfter, parseOffset, type StreamOffset } from '../../stream/offset.ts';
import type { Delivery } from '../delivery.ts';
import type { LocalNamespaces } from '../dispatch/namespaces.ts';
import { OUTSIDE_STREAM, type Outbox } from '../dispatch/outbox.ts';
import type { OfficialAdapter, RecoverableSocket } from '../official.ts';
import type { Position } from '../position.ts';
import { createPrivateId } from '../sessions/private-id.ts';
import { encodeRecord, type Room, type SessionRecord } from '../sessions/record.ts';
import { Absence } from './absence.ts';
import { type ClaimDeps, claimSession } from './claim.ts';
import { handOver } from './hand-over.ts';
import { type Refused, refused } from './outcome.ts';
import type { Replay } from './replay.ts';
import { Semaphore } from './semaphore.ts';

export interface RecoveryDeps extends ClaimDeps {
	readonly position: Position;
	readonly outbox: Outbox;
	readonly namespaces: LocalNamespaces;
	readonly delivery: Delivery;
	readonly metrics: Metrics;
	readonly log: Logger;
	/** Id under which this worker owns sessions. */
	readonly worker: string;
	/** Brings the cursor of this worker to where the log ends now, or soon will. Rejects when Redis fails. */
	tickNow(): Promise<void>;
}

type RestoreOutcome = { readonly kind: 'restored'; readonly record: SessionRecord; readonly absence: Absence } | Refused;

const RESTORE_TIMEOUT_MS = 10_000;
/** How long this worker may need to come to where the client has been. */
const CATCH_UP_TIMEOUT_MS = 3000;
const MAX_RESTORES = 64;
const MAX_HELD = 10_000;

export class Recovery {
	readonly #deps: RecoveryDeps;
	readonly #admission = new Semaphore(MAX_RESTORES);
	/** Checked, and waiting for their middlewares. */
	readonly #held = new Map<string, Absence>();
	/** How often this worker has lost entries: what was read across that may have a hole. */
	#losses = 0;

	constructor(deps: RecoveryDeps) {
		this.#deps = deps;
	}

	/** Called before the socket exists. Null: not recovered. Never rejects. */
	async restore(nsp: Namespace, pid: string, offsetText: string): Promise<Session | null> {
		const outcome = await this.#tryToRestore(nsp.name, pid, offsetText);
		if (outcome.kind === 'refused') {
			this.#count(outcome.reason);
			return null;
		}
		const { record, absence } = outcome;
		this.#hold(keyOf(nsp.name, record.sid), absence);
		// No rooms and no packets: the socket that is made of this must neither hear nor be sent anything yet.
		return { sid: record.sid, pid, rooms: [], data: record.data, missedPackets: [] };
	}

	/** The socket is connected, CONNECT goes out next, and what the client missed right behind it. */
	onConnect(adapter: OfficialAdapter, socket: RecoverableSocket, joined: ReadonlySet<Room>): void {
		const { sessions, metrics } = this.#deps;
		const nsp = adapter.nsp.name;
		const absence = this.#held.get(keyOf(nsp, socket.id));
		this.#held.delete(keyOf(nsp, socket.id));
		const obstacle = socket.recovered ? this.#obstacleOf(nsp, absence) : undefined;
		if (socket.recovered && absence && obstacle === undefined) {
			const { replay } = absence;
			sessions.open(nsp, socket.pid ?? '', socket, replay.stays);
			void Adapter.prototype.addAll.call(
				adapter,
				socket.id,
				new Set(replay.stays.filter(({ to }) => to === undefined).map(({ room }) => room)),
			);
			handOver(this.#deps, adapter, socket, replay.missed);
			metrics.inc('socketfleet_recovery_total', { result: 'recovered', reason: 'none' }, 1);
		} else {
			if (obstacle) {
				this.#count(obstacle);
			}
			sessions.open(nsp, this.#startAnew(socket), socket);
			if (parseOffset(socket.handshake.auth.offset)) {
				// The stock client keeps the offset of its life before: it can come back with that one before it is sent another.
				sessions.noteSent(nsp, new Set([socket.id]));
			}
		}
		absence?.end();
		const session = sessions.find(nsp, socket.id);
		if (session) {
			void sessions.join(session, joined);
		}
	}

	/** Its private id is ours. The client compares it: one that came to be recovered learns by another one that it was not. */
	#startAnew(socket: RecoverableSocket): string {
		const pid = createPrivateId(this.#deps.worker);
		Object.assign(socket, { pid, recovered: false });
		return pid;
	}

	/** The socket left all rooms: it was disconnected, or its middlewares refused it. The session of the latter can be tried again. */
	onGone(nsp: string, sid: string): void {
		const key = keyOf(nsp, sid);
		this.#held.get(key)?.end();
		this.#held.delete(key);
		const session = this.#deps.sessions.find(nsp, sid);
		if (session) {
			this.#deps.sessions.remove(session);
		}
	}

	/** What was checked is no longer true. */
	dropHeld(): void {
		this.#losses++;
		for (const absence of this.#held.values()) {
			absence.end();
		}
		this.#held.clear();
	}

	/** A client that was connected once, but has been sent nothing that tells where it is. */
	onWithoutOffset(): void {
		this.#count('bad_offset');
	}

	async #tryToRestore(nsp: string, pid: string, offsetText: string): Promise<RestoreOutcome> {
		const offset = parseOffset(offsetText);
		if (offset === undefined) {
			return refused(offsetText.endsWith(OUTSIDE_STREAM) ? 'outside_stream' : 'bad_offset');
		}
		const check = this.#admission.run(() => this.#check(nsp, pid, offset));
		try {
			return await withDeadline(check, RESTORE_TIMEOUT_MS, 'restoring a session');
		} catch (error) {
			// It goes on, and nobody will connect to what it finds.
			check.then(
				(late) => late.kind === 'restored' && late.absence.end(),
				() => undefined,
			);
			this.#deps.log.debug({ err: messageOf(error) }, 'a session could not be restored');
			return refused(error instanceof AppError && error.code === 'ERR_DEADLINE' ? 'timeout' : 'redis_away');
		}
	}

	/** Rejects when Redis fails, or takes too long. */
	async #check(nsp: string, pid: string, offset: StreamOffset): Promise<RestoreOutcome> {
		const { position, outbox, config } = this.#deps;
		if (position.cursor === undefined) {
			return refused('redis_away');
		}
		if (outbox.isOutside(nsp)) {
			// Clients here have been sent what the stream will bring later: this one would never be.
			return refused('outside_stream');
		}
		const claim = await claimSession(this.#deps, nsp, pid);
		if (claim.kind === 'refused') {
			return claim;
		}
		const { record, epoch } = claim;
		const losses = this.#losses;
		// Up to where the session was saved, too: joins and leaves before that are in it, and must not be applied to the new socket again.
		if (!(await this.#comesTo(isAfter(record.at, offset) ? record.at : offset))) {
			return refused('behind');
		}
		if (record.outsideAt !== undefined && !isAfter(offset, record.outsideAt)) {
			return refused('outside_stream');
		}
		const deps = { ...this.#deps, maxBytes: config.maxBufferedBytes, comesTo: (upTo: StreamOffset) => this.#comesTo(upTo) };
		const absence = new Absence(deps, record, startOf(record, offset));
		const reason = await this.#read(absence, record, epoch).catch((error: unknown) => {
			absence.end();
			throw error;
		});
		if (reason !== undefined || this.#losses !== losses) {
			absence.end();
			return refused(reason ?? 'not_held');
		}
		return { kind: 'restored', record, absence };
	}

	/** Why it cannot be recovered; undefined when it can. */
	async #read(absence: Absence, record: SessionRecord, epoch: string): Promise<Refusal | undefined> {
		const obstacle = (await absence.read()) ?? refusalOf(absence.replay);
		if (obstacle === 'kicked') {
			await this.#removeKicked(record.pid);
		}
		if (obstacle === undefined && absence.replay.hasMoved) {
			await this.#saveMoved(absence, record, epoch);
		}
		// Redis may have come back with another log after the session was claimed.
		return (await this.#deps.store.readEpoch()) === epoch ? obstacle : 'rewound';
	}

	/**
	 * Joins and leaves that are found on the way are saved before the client is sent what follows them. It would come back with an offset
	 * behind them, and they would never be seen again.
	 */
	async #saveMoved({ replay }: Absence, record: SessionRecord, epoch: string): Promise<void> {
		const { store, position, config } = this.#deps;
		const at = position.cursor ?? record.at;
		const moved = encodeRecord({ ...record, stays: replay.stays, at, sentUpTo: at }, () => undefined);
		await store.write([{ kind: 'save', pid: record.pid, record: moved, ttlMs: config.recoveryWindowMs }], epoch);
	}

	/** Why the one whose middlewares have passed cannot be recovered after all. */
	#obstacleOf(nsp: string, absence: Absence | undefined): Refusal | undefined {
		if (absence === undefined) {
			return 'not_held';
		}
		return this.#deps.outbox.isOutside(nsp) ? 'outside_stream' : refusalOf(absence.replay);
	}

	/** The client may have been served by a worker that is a little further on. False when this one does not get there in time. */
	async #comesTo(offset: StreamOffset): Promise<boolean> {
		const { position, delivery, tickNow } = this.#deps;
		const isThere = (): boolean => delivery.isLive && position.cursor !== undefined && compareOffsets(position.cursor, offset) >= 0;
		if (!isThere()) {
			await tickNow();
		}
		const deadline = performance.now() + CATCH_UP_TIMEOUT_MS;
		while (!isThere()) {
			if (performance.now() > deadline) {
				return false;
			}
			await sleep(5);
		}
		return true;
	}

	async #removeKicked(pid: string): Promise<void> {
		const { store, sessions } = this.#deps;
		await store.write([{ kind: 'remove', pid }], sessions.epoch ?? (await store.readEpoch()));
	}

	#hold(key: string, absence: Absence): void {
		this.#held.get(key)?.end();
		this.#held.set(key, absence);
		if (this.#held.size > MAX_HELD) {
			// Its middlewares never came to an end. Should they yet, the client is told that it was not recovered.
			const [oldest] = this.#held;
			oldest?.[1].end();
			this.#held.delete(oldest?.[0] ?? '');
		}
	}

	#count(reason: Refusal): void {
		this.#deps.metrics.inc('socketfleet_recovery_total', { result: 'refused', reason }, 1);
	}
}

/** A client in a quiet room has an old offset and has missed nothing since: what it may have missed begins where it was last there. */
function startOf(record: SessionRecord, offset: StreamOffset): StreamOffset {
	return !isAfter(record.sentUpTo, offset) && isAfter(record.at, offset) ? record.at : offset;
}

function refusalOf({ state }: Replay): Refusal | undefined {
	return state === 'ok' ? undefined : state;
}

function keyOf(nsp: string, sid: string): string {
	return `${nsp}\0${sid}`;
}
