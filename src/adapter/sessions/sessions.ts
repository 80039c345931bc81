/**
 * Saves the sessions of this worker's clients while they live, in batches, so that they outlive `kill -9`.
 * Joins and leaves of a stored session are saved at once, and hold delivery until they are; data within seconds.
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
import type { SessionStore, SessionWrite, WriteResult } from './store.ts';
import { UrgentChanges } from './urgent-changes.ts';
import { type SaveBatch, SessionWriter, takeFirst } from './writer.ts';

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
	readonly #dirty = new Set<LiveSession>();
	/** Sessions whose rooms have changed: nothing that depends on it is delivered before that has been saved. */
	readonly #urgent = new UrgentChanges<LiveSession>();
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
			takeSaves: (limit) => this.#takeSaves(limit),
			hasUrgent: () => !this.#urgent.isEmpty,
			onUnavailable: () => this.#urgent.clear(),
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
		if (stays) {
			session.adopt(stays, this.#cursor);
		}
		this.#writer.forget(pid);
		this.#live.set(keyOf(nsp, socket.id), session);
		this.#byPid.set(pid, session);
		this.#dirty.add(session);
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
				this.#dirty.add(session);
			}
		}
	}

	/** The promise resolves when the join has been saved, or can't be. */
	join(session: LiveSession, rooms: Iterable<Room>): Promise<void> | undefined {
		return session.join(rooms, this.#deps.position.joinedAt) ? this.#onRooms(session) : undefined;
	}

	leave(session: LiveSession, room: Room): Promise<void> | undefined {
		return session.leave(room, this.#cursor) ? this.#onRooms(session) : undefined;
	}

	/** The client went and may come back. */
	release(session: LiveSession): void {
		if (this.#forget(session)) {
			const record = this.#encode(session);
			this.#writer.leave({ kind: 'release', pid: session.pid, record, ttlMs: this.#deps.config.recoveryWindowMs });
		}
	}

	/** The client went for good. */
	remove(session: LiveSession): void {
		if (this.#forget(session)) {
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
		this.#dirty.clear();
		this.#writer.clear();
		this.#urgent.clear();
	}

	/** Changes that must be saved before anything more is delivered: resolves when they are, or can't be. Undefined: there are none. */
	barrier(): Promise<void> | undefined {
		return this.#urgent.isEmpty ? undefined : this.#urgent.whenEmpty();
	}

	/** Nobody is kept waiting for them any longer: Redis does not take them now. */
	giveUpBarrier(): void {
		this.#urgent.clear();
	}

	/** What this worker still has to say about a client that went, it has said when this resolves. */
	async settle(pid: string): Promise<void> {
		if (this.#writer.isLeaving(pid)) {
			await this.#writer.flush();
		}
	}

	/** Resolves when Redis has all there is now, or has failed to take it. */
	flush(): Promise<void> {
		return this.#writer.flush();
	}

	async close(): Promise<void> {
		clearInterval(this.#timer);
		await this.#writer.drain(CLOSE_TIMEOUT_MS);
		this.#urgent.clear();
	}

	#tick(): void {
		this.#sweep();
		if (this.#dirty.size > 0) {
			void this.#writer.flush();
		}
	}

	#sweep(): void {
		const now = performance.now();
		const refreshMs = refreshMsOf(this.#deps.config);
		this.#sweepAt = (this.#sweepAt + 1) % SWEEP_TICKS;
		let index = 0;
		for (const session of this.#live.values()) {
			if (index++ % SWEEP_TICKS === this.#sweepAt && (session.hasNewData(this.#onDropped) || now - session.savedAt > refreshMs)) {
				this.#dirty.add(session);
			}
		}
	}

	#onRooms(session: LiveSession): Promise<void> | undefined {
		this.#dirty.add(session);
		if (!session.isStored) {
			return undefined;
		}
		this.#urgent.add(session);
		this.#writer.queueFlush();
		return this.#urgent.whenEmpty();
	}

	/** False when it was forgotten before. */
	#forget(session: LiveSession): boolean {
		if (this.#live.get(keyOf(session.nsp, session.socket.id)) !== session) {
			return false;
		}
		this.#live.delete(keyOf(session.nsp, session.socket.id));
		this.#byPid.delete(session.pid);
		this.#dirty.delete(session);
		this.#urgent.settle(session);
		return true;
	}

	#takeSaves(limit: number): SaveBatch {
		const sessions = takeFirst(this.#dirty, limit);
		for (const session of sessions) {
			this.#dirty.delete(session);
			// From here on Redis may have it: a join that follows must not be delivered on before it is there, too.
			session.isStored = true;
		}
		return {
			writes: sessions.map((session) => this.#toWrite(session)),
			onSaved: (results) => this.#onSaved(sessions, results),
			onFailed: () => {
				for (const session of sessions) {
					if (this.#live.get(keyOf(session.nsp, session.socket.id)) === session) {
						this.#dirty.add(session);
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
			// A join during the write made it dirty again: it stays urgent until the next one.
			if (!this.#dirty.has(session)) {
				this.#urgent.settle(session);
			}
		}
	}
}

function keyOf(nsp: string, sid: string): string {
	return `${nsp}\0${sid}`;
}
