/**
 * Which servers of one namespace can answer a request. Members tell their names; where they are not all there is, or are heard late, a
 * Presence tells who listens. Owns the roll calls that are not over.
 */
import type { Closable } from '../../base/lifecycle.ts';
import type { Departure } from './members.ts';
import { type Look, RollCall } from './roll-call.ts';

/** How often is looked again who listens, while an answer is waited for. */
const LOOK_EVERY_MS = 100;

export interface Presence {
	/** Who listens at this moment: how many, and which of these. Undefined when that cannot be told; never rejects. */
	look(others: Iterable<string>): Promise<Look | undefined>;
	/** Nobody listens for that server, which is known. */
	suspect(uid: string): void;
}

export interface AttendanceDeps {
	/** Ids of the other servers that are known -> their names. */
	nodes(): ReadonlyMap<string, string>;
	/** Undefined where the known are all there is, and whoever goes is told of. */
	readonly presence: Presence | undefined;
}

export class Attendance implements Closable {
	readonly #nodes: () => ReadonlyMap<string, string>;
	readonly #presence: Presence | undefined;
	readonly #open = new Set<RollCall>();
	#timer: NodeJS.Timeout | undefined;
	#isLooking = false;

	constructor({ nodes, presence }: AttendanceDeps) {
		this.#nodes = nodes;
		this.#presence = presence;
	}

	/** Servers of this namespace, this one included. Never rejects: Socket.IO awaits it where nobody catches. */
	async serverCount(): Promise<number> {
		const look = await this.#presence?.look(this.#nodes().keys());
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
		if (this.#presence === undefined) {
			rollCall.knownAreAll();
		} else {
			void this.#count(this.#presence, [rollCall]);
			this.#timer ??= setInterval(() => void this.#countAgain(), LOOK_EVERY_MS);
		}
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

	#drop(rollCall: RollCall): void {
		this.#open.delete(rollCall);
		if (this.#open.size === 0) {
			clearInterval(this.#timer);
			this.#timer = undefined;
		}
	}

	async #countAgain(): Promise<void> {
		if (this.#presence && !this.#isLooking) {
			this.#isLooking = true;
			await this.#count(this.#presence, [...this.#open]);
			this.#isLooking = false;
		}
	}

	/** Looks for every server that is known now, and for those of these roll calls. */
	async #count(presence: Presence, rollCalls: readonly RollCall[]): Promise<void> {
		const look = await presence.look([...this.#nodes().keys(), ...rollCalls.flatMap(({ waiting, answered }) => [...waiting, ...answered])]);
		// As it is now: who has left meanwhile tells it no more.
		const known = this.#nodes();
		for (const rollCall of rollCalls) {
			if (look) {
				rollCall.count(look, known);
			} else {
				rollCall.knownAreAll();
			}
		}
		const absent = rollCalls.flatMap(({ waiting }) => waiting).filter((uid) => look?.sought.has(uid) && !look.present.has(uid));
		for (const uid of new Set(absent)) {
			presence.suspect(uid);
		}
	}
}
