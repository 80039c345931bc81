/**
 * Which servers of one namespace can answer a request. Heartbeats tell their names, a second late; Redis tells at once who listens: a
 * process that was killed does not, one that is frozen does. Owns the roll calls that are not over.
 */
import { messageOf } from '../../base/errors.ts';
import type { Closable } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';
import type { RedisHandle } from '../../redis/client.ts';
import type { RedisKeys } from '../../redis/keys.ts';
import { countSubscribers } from '../../redis/subscriptions.ts';
import { type OfficialAdapter, requestChannelOf, responseChannelOf } from '../official.ts';
import type { Departure, Members } from './members.ts';
import { type Look, RollCall } from './roll-call.ts';

/** How often is looked again who listens, while an answer is waited for. */
const LOOK_EVERY_MS = 100;

export interface AttendanceDeps {
	readonly adapter: OfficialAdapter;
	readonly members: Members;
	readonly redis: RedisHandle;
	readonly keys: RedisKeys;
	readonly log: Logger;
}

export class Attendance implements Closable {
	readonly #deps: AttendanceDeps;
	readonly #open = new Set<RollCall>();
	#timer: NodeJS.Timeout | undefined;
	#isLooking = false;

	constructor(deps: AttendanceDeps) {
		this.#deps = deps;
	}

	/** Servers of this namespace, this one included. Never rejects: Socket.IO awaits it where nobody catches. */
	async serverCount(): Promise<number> {
		const look = await this.#look([]);
		return Math.max(1, look?.listening ?? 1 + this.#nodes().size);
	}

	/**
	 * `publish` sends a request to all servers of the namespace; throws what it throws. Who listens is looked up right behind it, so that
	 * one who is counted and did not hear it can only be one that came in between.
	 */
	call(publish: () => void): RollCall {
		const rollCall = new RollCall(this.#nodes());
		publish();
		this.#open.add(rollCall);
		void rollCall.over.then(() => this.#drop(rollCall));
		void this.#count([rollCall]);
		this.#timer ??= setInterval(() => void this.#countAgain(), LOOK_EVERY_MS);
		return rollCall;
	}

	/** A server has left this namespace. */
	forget(uid: string, departure: Departure): void {
		for (const rollCall of this.#open) {
			rollCall.forget(uid, departure);
		}
	}

	close(): void {
		for (const rollCall of this.#open) {
			rollCall.end();
		}
	}

	#nodes(): ReadonlyMap<string, string> {
		return this.#deps.members.nodesOf(this.#deps.adapter.nsp.name);
	}

	#drop(rollCall: RollCall): void {
		this.#open.delete(rollCall);
		if (this.#open.size === 0) {
			clearInterval(this.#timer);
			this.#timer = undefined;
		}
	}

	async #countAgain(): Promise<void> {
		if (!this.#isLooking) {
			this.#isLooking = true;
			await this.#count([...this.#open]);
			this.#isLooking = false;
		}
	}

	async #count(rollCalls: readonly RollCall[]): Promise<void> {
		const look = await this.#look(rollCalls);
		for (const rollCall of rollCalls) {
			if (look) {
				rollCall.count(look);
			} else {
				rollCall.countFailed();
			}
		}
		const absent = rollCalls.flatMap(({ waiting }) => waiting).filter((uid) => look?.sought.has(uid) && !look.present.has(uid));
		for (const uid of new Set(absent)) {
			this.#deps.members.suspect(uid);
		}
	}

	/** Looks for every server that is known now, and for those of these roll calls; undefined when Redis does not say. */
	async #look(rollCalls: readonly RollCall[]): Promise<Look | undefined> {
		const { adapter, keys, redis, log } = this.#deps;
		const nsp = adapter.nsp.name;
		const sought = new Set([
			adapter.uid,
			...this.#nodes().keys(),
			...rollCalls.flatMap(({ waiting, answered }) => [...waiting, ...answered]),
		]);
		const channelOf = (uid: string): string => responseChannelOf(keys, nsp, uid);
		const requests = requestChannelOf(keys, nsp);
		try {
			const counts = await countSubscribers(redis.commands, [requests, ...[...sought].map(channelOf)]);
			const present = new Set([...sought].filter((uid) => (counts.get(channelOf(uid)) ?? 0) > 0));
			return { listening: counts.get(requests) ?? 0, sought, present };
		} catch (error) {
			log.debug({ err: messageOf(error) }, 'servers could not be counted');
			return undefined;
		}
	}
}
