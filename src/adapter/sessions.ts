/**
 * Saves the sessions of this worker's clients while they live, in batches, so that they outlive `kill -9`.
 * Joins and leaves of a stored session are saved at once, and hold delivery until they are; data within seconds.
 */
import { sleep } from '../base/deadline.ts';
import { messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { SessionStore, SessionWrite } from '../redis/session-store.ts';
import type { StreamOffset } from '../redis/stream-offset.ts';
import { LiveSession, type SessionSocket } from './live-session.ts';
import { RoomActivity } from './room-activity.ts';
import type { Room, RoomStay } from './session-record.ts';

export interface SessionsDeps {
	readonly store: SessionStore;
	readonly config: Config;
	readonly metrics: Metrics;
	readonly log: Logger;
	/** The last entry that has been dispatched in this worker. */
	cursor(): StreamOffset;
	/** Redis says that another worker owns this session now: the socket here is a leftover. */
	onLost(session: LiveSession): void;
	/** The stream was set back since the epoch was read. */
	onEpoch(): void;
}

const TICK_MS = 250;
/** Every session's data is compared once in this many ticks. */
const SWEEP_TICKS = 8;
const MAX_WRITES = 200;
const MAX_LEAVING = 50_000;
const REFRESH_MS = 60_000;
const CLOSE_TIMEOUT_MS = 2000;
/** Saved again that often while nothing changes, so that the record does not expire under a living client. */
const refreshMsOf = (config: Config): number => Math.min(REFRESH_MS, config.recoveryWindowMs / 2);

export class Sessions implements Closable {
	readonly #deps: SessionsDeps;
	readonly #live = new Map<string, LiveSession>();
	readonly #byPid = new Map<string, LiveSession>();
	readonly #activity = new Map<string, RoomActivity>();
	readonly #outsideAt = new Map<string, StreamOffset>();
	/** Last writes of clients that went: to be repeated until Redis has them. */
	#leaving: SessionWrite[] = [];
	#epoch: string | undefined;
	#urgent = 0;
	#waiters: (() => void)[] = [];
	#flushing: Promise<void> | undefined;
	#flushQueued = false;
	#sweepAt = 0;
	readonly #timer: NodeJS.Timeout;
	readonly #warned = new Set<string>();

	constructor(deps: SessionsDeps) {
		this.#deps = deps;
		this.#timer = setInterval(() => this.#tick(), TICK_MS);
		this.#timer.unref();
	}

	/** The epoch that sessions are saved in; undefined until Redis has been asked. */
	get epoch(): string | undefined {
		return this.#epoch;
	}

	setEpoch(epoch: string): void {
		this.#epoch = epoch;
	}

	/** A client is connected now. `stays`: the rooms that it comes back with. */
	open(nsp: string, pid: string, socket: SessionSocket, stays?: readonly RoomStay[]): void {
		const session = new LiveSession(nsp, pid, socket, this.activityOf(nsp));
		if (stays) {
			session.adopt(stays, this.#deps.cursor());
		}
		this.#live.set(keyOf(nsp, socket.id), session);
		this.#byPid.set(pid, session);
	}

	/** A message was delivered in a namespace without the stream: who did not get it can't be told from the offset any more. */
	noteOutside(nsp: string): void {
		const cursor = this.#deps.cursor();
		if (this.#outsideAt.get(nsp) === cursor) {
			return;
		}
		this.#outsideAt.set(nsp, cursor);
		for (const session of this.#live.values()) {
			session.isDirty ||= session.nsp === nsp;
		}
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

	find(nsp: string, sid: string): LiveSession | undefined {
		return this.#live.get(keyOf(nsp, sid));
	}

	findByPid(pid: string): LiveSession | undefined {
		return this.#byPid.get(pid);
	}

	/** The promise resolves when the join has been saved, or can't be. */
	join(session: LiveSession, rooms: Iterable<Room>): Promise<void> | undefined {
		const wasUrgent = session.isUrgent;
		session.join(rooms, this.#deps.cursor());
		return this.#onRooms(session, wasUrgent);
	}

	leave(session: LiveSession, room: Room): Promise<void> | undefined {
		const wasUrgent = session.isUrgent;
		session.leave(room, this.#deps.cursor());
		return this.#onRooms(session, wasUrgent);
	}

	/** The client went and may come back. */
	release(session: LiveSession): void {
		this.#forget(session);
		this.#leave({
			kind: 'release',
			pid: session.pid,
			record: this.#encode(session),
			ttlMs: this.#deps.config.recoveryWindowMs,
		});
	}

	/** The client went for good. */
	remove(session: LiveSession): void {
		this.#forget(session);
		this.#leave({ kind: 'remove', pid: session.pid });
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
		this.#leaving = [];
		this.#urgent = 0;
		this.#releaseWaiters();
	}

	/** Changes that must be saved before anything more is delivered. */
	hasUrgent(): boolean {
		return this.#urgent > 0;
	}

	/** Resolves when there is nothing urgent any more, or when saving has failed. */
	whenSettled(): Promise<void> {
		if (this.#urgent === 0) {
			return Promise.resolve();
		}
		return new Promise((resolve) => {
			this.#waiters.push(resolve);
		});
	}

	/** Writes what there is to write now; resolves when Redis has it or has failed to take it. */
	flush(): Promise<void> {
		this.#flushing ??= this.#flushAll().finally(() => {
			this.#flushing = undefined;
		});
		return this.#flushing;
	}

	async close(): Promise<void> {
		clearInterval(this.#timer);
		const deadline = performance.now() + CLOSE_TIMEOUT_MS;
		// The clients of a drained worker come back elsewhere within a second: their sessions must be there.
		while (this.#leaving.length > 0 && performance.now() < deadline) {
			await this.flush();
			if (this.#leaving.length > 0) {
				await sleep(50);
			}
		}
		this.#releaseWaiters();
	}

	#tick(): void {
		this.#sweep();
		void this.flush();
	}

	#sweep(): void {
		const sessions = [...this.#live.values()];
		const now = performance.now();
		const refreshMs = refreshMsOf(this.#deps.config);
		this.#sweepAt = (this.#sweepAt + 1) % SWEEP_TICKS;
		for (let i = this.#sweepAt; i < sessions.length; i += SWEEP_TICKS) {
			const session = sessions[i];
			if (session) {
				session.checkData(this.#onDropped);
				session.isDirty ||= now - session.savedAt > refreshMs;
			}
		}
	}

	#onRooms(session: LiveSession, wasUrgent: boolean): Promise<void> | undefined {
		if (!session.isUrgent) {
			return undefined;
		}
		this.#urgent += wasUrgent ? 0 : 1;
		this.#queueFlush();
		return this.whenSettled();
	}

	#forget(session: LiveSession): void {
		if (this.#live.get(keyOf(session.nsp, session.socket.id)) !== session) {
			return;
		}
		this.#live.delete(keyOf(session.nsp, session.socket.id));
		this.#byPid.delete(session.pid);
		this.#settleUrgent(session);
	}

	#leave(write: SessionWrite): void {
		this.#leaving.push(write);
		if (this.#leaving.length > MAX_LEAVING) {
			// Redis has been away for long: the oldest have the least time left.
			this.#leaving.shift();
		}
		this.#queueFlush();
	}

	#queueFlush(): void {
		if (this.#flushQueued) {
			return;
		}
		this.#flushQueued = true;
		setImmediate(() => {
			this.#flushQueued = false;
			void this.flush();
		});
	}

	async #flushAll(): Promise<void> {
		try {
			this.#epoch ??= await this.#deps.store.readEpoch();
			while (await this.#flushSome(this.#epoch)) {
				// What changed while the last batch was under way goes with the next.
			}
		} catch (error) {
			this.#deps.metrics.inc('socketfleet_redis_errors_total', { reason: 'save_sessions' }, 1);
			this.#deps.log.debug({ err: messageOf(error) }, 'sessions could not be saved, trying again');
			this.#clearUrgent();
		}
	}

	/** One command. True when there may be more to do at once. */
	async #flushSome(epoch: string): Promise<boolean> {
		const leaving = this.#leaving.slice(0, MAX_WRITES);
		const sessions = this.#takeDirty(MAX_WRITES - leaving.length);
		const writes = [...leaving, ...sessions.map((session) => this.#toWrite(session))];
		if (writes.length === 0) {
			return false;
		}
		let outcome: Awaited<ReturnType<SessionStore['write']>>;
		try {
			outcome = await this.#deps.store.write(writes, epoch);
		} catch (error) {
			for (const session of sessions) {
				session.isDirty = true;
			}
			throw error;
		}
		if (outcome.epoch !== epoch) {
			this.#epoch = outcome.epoch;
			this.#deps.onEpoch();
			return false;
		}
		this.#leaving.splice(0, leaving.length);
		this.#onSaved(sessions, outcome.results.slice(leaving.length));
		return this.#urgent > 0 || writes.length === MAX_WRITES;
	}

	#takeDirty(limit: number): LiveSession[] {
		const taken: LiveSession[] = [];
		for (const session of this.#live.values()) {
			if (taken.length >= limit) {
				break;
			}
			if (session.isDirty) {
				session.isDirty = false;
				// From here on Redis may have it: a join that follows must not be delivered on before it is there, too.
				session.isStored = true;
				taken.push(session);
			}
		}
		return taken;
	}

	#toWrite(session: LiveSession): SessionWrite {
		const { recoveryWindowMs, pingIntervalMs, pingTimeoutMs } = this.#deps.config;
		return {
			kind: 'save',
			pid: session.pid,
			record: this.#encode(session),
			ttlMs: recoveryWindowMs + pingIntervalMs + pingTimeoutMs + refreshMsOf(this.#deps.config),
		};
	}

	#encode(session: LiveSession): string {
		return session.encode(this.#deps.cursor(), this.#outsideAt.get(session.nsp), this.#onDropped);
	}

	#onSaved(sessions: readonly LiveSession[], results: readonly string[]): void {
		const now = performance.now();
		sessions.forEach((session, index) => {
			if (results[index] === 'not-owner') {
				this.#forget(session);
				this.#deps.onLost(session);
				return;
			}
			session.savedAt = now;
			// A join during the write made it dirty again: it stays urgent until the next one.
			if (!session.isDirty) {
				this.#settleUrgent(session);
			}
		});
	}

	#settleUrgent(session: LiveSession): void {
		if (session.isUrgent) {
			session.isUrgent = false;
			this.#urgent--;
			if (this.#urgent === 0) {
				this.#releaseWaiters();
			}
		}
	}

	#clearUrgent(): void {
		for (const session of this.#live.values()) {
			session.isUrgent = false;
		}
		this.#urgent = 0;
		this.#releaseWaiters();
	}

	#releaseWaiters(): void {
		const waiters = this.#waiters;
		this.#waiters = [];
		for (const resolve of waiters) {
			resolve();
		}
	}

	readonly #onDropped = (key: string): void => {
		if (!this.#warned.has(key) && this.#warned.size < 100) {
			this.#warned.add(key);
			this.#deps.log.warn({ key }, 'socket.data holds what cannot be saved; that key is left out of the session');
		}
	};
}

function keyOf(nsp: string, sid: string): string {
	return `${nsp}\0${sid}`;
}
