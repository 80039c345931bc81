/** Who has to answer one request to the servers of a namespace, and who has. Pure: what is known is told to it. */
import type { Departure } from './members.ts';

/** Stands for a server that no heartbeat tells of: a plain Socket.IO server with the official adapter. */
const UNKNOWN_SERVER = 'unknown';

/** What Redis says about who listens, at one moment. */
export interface Look {
	/** Connections that listen for requests of the namespace, this server's own among them. */
	readonly listening: number;
	/** Ids of the servers that were looked for, this one among them. */
	readonly sought: ReadonlySet<string>;
	/** Those of them which listen. */
	readonly present: ReadonlySet<string>;
}

/** One request. It is over when everyone has answered who can, or when its owner ends it. */
export class RollCall {
	/** Id of a server -> its name. */
	readonly #waiting: Map<string, string>;
	/** Everyone who was ever known, waited for or not. */
	readonly #named: Set<string>;
	readonly #answered = new Set<string>();
	/** Names of those that are not waited for any more, though they may live. */
	readonly #silent: string[] = [];
	/** How many servers beside those must answer; undefined until they were counted. */
	#unknown: number | undefined;
	readonly #end = Promise.withResolvers<void>();
	#isOver = false;

	constructor(known: ReadonlyMap<string, string>) {
		this.#waiting = new Map(known);
		this.#named = new Set(known.keys());
	}

	get over(): Promise<void> {
		return this.#end.promise;
	}

	get isOver(): boolean {
		return this.#isOver;
	}

	/** Ids of the known servers that have not answered. */
	get waiting(): readonly string[] {
		return [...this.#waiting.keys()];
	}

	get answered(): ReadonlySet<string> {
		return this.#answered;
	}

	/** Names of servers that have not answered and may live. */
	get missing(): readonly string[] {
		return [...this.#silent, ...this.#waiting.values(), ...Array<string>(this.#unknown ?? 0).fill(UNKNOWN_SERVER)];
	}

	/** A server answers; false when it has already, or comes too late. */
	take(uid: string): boolean {
		if (this.#isOver || this.#answered.has(uid)) {
			return false;
		}
		this.#answered.add(uid);
		if (!this.#waiting.delete(uid) && this.#unknown !== undefined) {
			this.#unknown = Math.max(0, this.#unknown - 1);
		}
		this.#check();
		return true;
	}

	/**
	 * `known`: now, after the look. What listens and is nobody known has heard the request, unless it came later: the count only falls.
	 * Where it falls while somebody becomes known, that is taken for who was unknown before, and is still waited for.
	 */
	count({ listening, sought, present }: Look, known: ReadonlyMap<string, string>): void {
		if (this.#isOver) {
			return;
		}
		const others = [...this.#answered].filter((uid) => !sought.has(uid)).length;
		const before = this.#unknown ?? Number.POSITIVE_INFINITY;
		this.#unknown = Math.max(0, Math.min(before, listening - present.size - others));
		const newcomers = [...known].filter(([uid]) => present.has(uid) && !this.#named.has(uid) && !this.#answered.has(uid));
		for (const [i, [uid, name]] of newcomers.entries()) {
			this.#named.add(uid);
			if (i < before - this.#unknown) {
				this.#waiting.set(uid, name);
			}
		}
		this.#check();
	}

	/** Nobody else can listen, or Redis did not say who does. */
	knownAreAll(): void {
		this.#unknown ??= 0;
		this.#check();
	}

	/** That server will not answer any more. One that is only silent may have sockets all the same: without them the answer is partial. */
	forget(uid: string, departure: Departure): void {
		const name = this.#waiting.get(uid);
		if (name === undefined || this.#isOver) {
			return;
		}
		this.#waiting.delete(uid);
		if (departure === 'silent') {
			this.#silent.push(name);
		}
		this.#check();
	}

	/** Who has not answered by now is missing. */
	end(): void {
		this.#isOver = true;
		this.#end.resolve();
	}

	#check(): void {
		if (this.#waiting.size === 0 && this.#unknown === 0) {
			this.end();
		}
	}
}
