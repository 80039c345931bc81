/**
 * Saves the sessions of this worker's clients while they live, in batches, so that they outlive `kill -9`: the first time when the client
 * is sent its first offset. Joins and leaves of a stored session are saved at once, and hold delivery until they are; data within seconds.
 */
import type { Closable } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';
import type { Config } from '../../config/schema.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { STREAM_END, STREAM_START, type StreamOffset } from '../../stream/offset.ts';
import type { DroppedKeyListener } from '../plain-data.ts';
import type { Position } from '../position.ts';
import { warnOncePerKey } from './dropped-keys.ts';
import { LiveSession, type SessionSocket } from './live-session.ts';
import type { Room, RoomStay } from './record.ts';
import { RoomActivity } from './room-activity.ts';
import { SaveQueue } from './save-queue.ts';
import type { SessionStore, SessionWrite, WriteResult } from './store.ts';
import { UnsentSessions } from './unsent-sessions.ts';
import { type SaveBatch, SessionWriter } from './writer.ts';

export interface SessionsDeps {
	readonly store: SessionStore;
	readonly config: Config;
	readonly metrics: Metrics;
	readonly log: Logger;
	readonly position: Position;
	/** Redis says that another worker owns this session now: the socket here is a leftover. */
	onLost(session: LiveSession): void;
	/** The stream was set back since the epoch was read. */
	onEpoch(): void;
}

const TICK_MS = 250;
/** Every session's data is compared once in this many ticks. */
const SWEEP_TICKS = 8;
const REFRESH_MS = 60_000;
const CLOSE_TIMEOUT_MS = 2000;
/** Saved again that often while nothing changes, so that the record does not expire under a living client. */
const refreshMsOf = (config: Config): number => Math.min(REFRESH_MS, config.recoveryWindowMs / 2);

export class Sessions implements Closable {
	readonly #deps: SessionsDeps;
	readonly #writer: SessionWriter;
	readonly #live = new Map<string, LiveSession>();
	readonly #byPid = new Map<string, LiveSession>();
	readonly #queue = new SaveQueue();
	readonly #unsent = new UnsentSessions();
	readonly #activity = new Map<string, RoomActivity>();
	readonly #outsideAt = new Map<string, StreamOffset>();
	readonly #timer: NodeJS.Timeout;
	readonly #onDropped: DroppedKeyListener;
	#sweepAt = 0;

	constructor(deps: SessionsDeps) {
		const { store, metrics, log } = deps;
		this.#deps = deps;
		this.#onDropped = warnOncePerKey(log);
		this.#writer = new SessionWriter({
			store,
			metrics,
			log,
			takeSaves: (limit, withNew) => this.#takeSaves(limit, withNew),
			hasUrgent: () => this.#queue.hasUrgent,
			onUnavailable: () => this.#queue.giveUpUrgent(),
			onEpoch: () => deps.onEpoch(),
		});
		this.#timer = setInterval(() => this.#tick(), TICK_MS);
		this.#timer.unref();
	}

	/** The epoch that sessions are saved in; undefined until Redis has been asked. */
	get epoch(): string | undefined {
		return this.#writer.epoch;
	}

	setEpoch(epoch: string): void {
		this.#writer.setEpoch(epoch);
	}

	get #cursor(): StreamOffset {
		return this.#deps.position.cursor ?? STREAM_START;
	}

	/** A client is connected now. `stays`: the rooms that it comes back with. */
	open(nsp: string, pid: string, socket: SessionSocket, stays?: readonly RoomStay[]): void {
		const session = new LiveSession(nsp, pid, socket, this.activityOf(nsp));
		this.#writer.forget(pid);
		this.#live.set(keyOf(nsp, socket.id), session);
		this.#byPid.set(pid, session);
		if (stays) {
			session.adopt(stays, this.#cursor);
			this.#queue.addChanged(session);
		} else {
			this.#unsent.add(session);
		}
	}

	/** Clients in these rooms, which are all for none, are sent an offset: whoever had none can come back from now on. */
	noteSent(nsp: string, rooms: ReadonlySet<Room>): void {
		for (const session of this.#unsent.take(nsp, rooms)) {
			this.#queue.addNew(session);
		}
	}

	find(nsp: string, sid: string): LiveSession | undefined {
		return this.#live.get(keyOf(nsp, sid));
	}

	findByPid(pid: string): LiveSession | undefined {
		return this.#byPid.get(pid);
	}

	/** What was delivered in a namespace. */
	activityOf(nsp: string): RoomActivity {
		let activity = this.#activity.get(nsp);
		if (activity === undefined) {
			activity = new RoomActivity();
			this.#activity.set(nsp, activity);
		}
		return activity;
	}

	/**
	 * Clients of that namespace were sent what the stream does not have (`true`): nobody can recover until it has. Then (`false`) only who
	 * has seen a later entry has all of it and will not be sent it again.
	 */
	noteOutside(nsp: string, isOutside: boolean): void {
		const outsideAt = isOutside ? STREAM_END : this.#cursor;
		if (this.#outsideAt.get(nsp) === outsideAt) {
			return;
		}
		this.#outsideAt.set(nsp, outsideAt);
		for (const session of this.#live.values()) {
			if (session.nsp === nsp) {
				this.#queue.addChanged(session);
			}
		}
	}

	/** The promise resolves when the join has been saved, or can't be. */
	join(session: LiveSession, rooms: Iterable<Room>): Promise<void> | undefined {
		if (!session.join(rooms, this.#deps.position.joinedAt)) {
			return undefined;
		}
		this.#unsent.join(session, rooms);
		return this.#onRooms(session);
	}

	leave(session: LiveSession, room: Room): Promise<void> | undefined {
		if (!session.leave(room, this.#cursor)) {
			return undefined;
		}
		this.#unsent.leave(session, room);
		return this.#onRooms(session);
	}

	/** The client went and may come back, if it was ever sent an offset. */
	release(session: LiveSession): void {
		const canComeBack = !this.#unsent.has(session);
		if (this.#forget(session) && canComeBack) {
			const record = this.#encode(session);
			this.#writer.leave({ kind: 'release', pid: session.pid, record, ttlMs: this.#deps.config.recoveryWindowMs });
		}
	}

	/** The client went for good. */
	remove(session: LiveSession): void {
		if (this.#forget(session) && session.isStored) {
			this.#writer.leave({ kind: 'remove', pid: session.pid });
		}
	}

	/** Every client here has a hole in what it saw: none of them may recover over it. */
	removeAll(): void {
		for (const session of [...this.#live.values()]) {
			this.remove(session);
		}
	}

	/** Nothing is written about any of them any more: what they were saved under is no longer true. */
	abandonAll(): void {
		this.#live.clear();
		this.#byPid.clear();
		this.#unsent.clear();
		this.#queue.clear();
		this.#writer.clear();
	}

	/** Changes that must be saved before anything more is delivered: resolves when they are, or can't be. Undefined: there are none. */
	barrier(): Promise<void> | undefined {
		return this.#queue.hasUrgent ? this.#queue.whenCalm() : undefined;
	}

	/** Nobody is kept waiting for them any longer: Redis does not take them now. */
	giveUpBarrier(): void {
		this.#queue.giveUpUrgent();
	}

	/** What this worker still has to say about a client that went, it has said when this resolves. */
	async settle(pid: string): Promise<void> {
		if (this.#writer.isLeaving(pid)) {
			await this.#writer.flush();
		}
	}

	/** Resolves when Redis has what there is now, or has failed to take it; of many that are new the rest follows later. */
	flush(): Promise<void> {
		return this.#writer.flush();
	}

	async close(): Promise<void> {
		clearInterval(this.#timer);
		await this.#writer.drain(CLOSE_TIMEOUT_MS);
		this.#queue.giveUpUrgent();
	}

	#tick(): void {
		this.#sweep();
		if (!this.#queue.isEmpty) {
			void this.#writer.flush();
		}
	}

	#sweep(): void {
		const now = performance.now();
		const refreshMs = refreshMsOf(this.#deps.config);
		this.#sweepAt = (this.#sweepAt + 1) % SWEEP_TICKS;
		let index = 0;
		for (const session of this.#live.values()) {
			const isDue = index++ % SWEEP_TICKS === this.#sweepAt && session.isStored;
			if (isDue && (session.hasNewData(this.#onDropped) || now - session.savedAt > refreshMs)) {
				this.#queue.addChanged(session);
			}
		}
	}

	#onRooms(session: LiveSession): Promise<void> | undefined {
		if (!session.isStored) {
			return undefined;
		}
		this.#queue.addUrgent(session);
		this.#writer.queueFlush();
		return this.#queue.whenCalm();
	}

	/** False when it was forgotten before. */
	#forget(session: LiveSession): boolean {
		if (this.#live.get(keyOf(session.nsp, session.socket.id)) !== session) {
			return false;
		}
		this.#live.delete(keyOf(session.nsp, session.socket.id));
		this.#byPid.delete(session.pid);
		this.#queue.delete(session);
		this.#unsent.delete(session);
		return true;
	}

	#takeSaves(limit: number, withNew: boolean): SaveBatch {
		const { changed, fresh } = this.#queue.take(limit, withNew);
		for (const session of fresh) {
			// From here on Redis may have it: a join that follows must not be delivered on before it is there, too.
			session.isStored = true;
			// Data is compared with what is saved now.
			session.hasNewData(this.#onDropped);
		}
		const sessions = [...changed, ...fresh];
		return {
			writes: sessions.map((session) => this.#toWrite(session)),
			hasNew: fresh.length > 0,
			onSaved: (results) => this.#onSaved(sessions, results),
			onFailed: () => {
				for (const session of sessions) {
					if (this.#live.get(keyOf(session.nsp, session.socket.id)) === session) {
						this.#queue.addChanged(session);
					}
				}
			},
		};
	}

	#toWrite(session: LiveSession): SessionWrite {
		const { recoveryWindowMs, pingIntervalMs, pingTimeoutMs } = this.#deps.config;
		const ttlMs = recoveryWindowMs + pingIntervalMs + pingTimeoutMs + refreshMsOf(this.#deps.config);
		return { kind: 'save', pid: session.pid, record: this.#encode(session), ttlMs };
	}

	#encode(session: LiveSession): string {
		return session.encode(this.#cursor, this.#outsideAt.get(session.nsp), this.#onDropped);
	}

	#onSaved(sessions: readonly LiveSession[], results: readonly WriteResult[]): void {
		const now = performance.now();
		for (const [index, session] of sessions.entries()) {
			if (results[index] === 'not-owner') {
				if (this.#forget(session)) {
					this.#deps.onLost(session);
				}
				continue;
			}
			session.savedAt = now;
			this.#queue.settle(session);
		}
	}
}

function keyOf(nsp: string, sid: string): string {
	return `${nsp}\0${sid}`;
}
