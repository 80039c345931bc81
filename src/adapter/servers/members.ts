/** Which workers of the fleet hold which namespaces: told by heartbeats over pub/sub. A worker that is not heard is forgotten. */
import { randomUUID } from 'node:crypto';
import { messageOf } from '../../base/errors.ts';
import type { Closable } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';
import type { Bus } from '../../ipc/bus.ts';
import type { RedisHandle } from '../../redis/client.ts';
import type { RedisKeys } from '../../redis/keys.ts';
import type { Subscriptions } from '../../redis/subscriptions.ts';
import { parsePayload } from '../payload.ts';

export interface MembersDeps {
	readonly redis: RedisHandle;
	readonly keys: RedisKeys;
	readonly subscriptions: Subscriptions;
	readonly bus: Bus;
	readonly log: Logger;
	readonly owner: { readonly pod: string; readonly slot: number };
}

interface Member {
	/** `<pod>/<slot>`, as people know it. */
	readonly name: string;
	/** Namespace -> id of the adapter there. */
	readonly nodes: ReadonlyMap<string, string>;
	heardAt: number;
}

const BEAT_EVERY_MS = 1000;
const EXPIRY_MS = 4000;
/** Above the interval of the heartbeats: of who is well one would have come. */
const QUIET_MS = 1200;
/** By then every worker has a new connection to a Redis that came back: attempts are 2 s apart at most. */
const RECONNECT_MS = 3000;

/** `gone`: it said so, its process ended, or it does not hold these namespaces any more. `silent`: it is not heard, and may be frozen or cut off. */
export type Departure = 'gone' | 'silent';

/** `nodes`: those that are left, all of that worker or some. */
export type MemberLeftListener = (name: string, nodes: ReadonlyMap<string, string>, departure: Departure) => void;

export class Members implements Closable {
	readonly #deps: MembersDeps;
	readonly #id = randomUUID();
	readonly #own = new Map<string, string>();
	readonly #others = new Map<string, Member>();
	readonly #leftListeners: MemberLeftListener[] = [];
	readonly #timer: NodeJS.Timeout;
	/** When our own heartbeat last came back: while it does not, nobody else's would. */
	#echoedAt = performance.now();
	/** When Redis last went or came back, for this worker and probably for all. */
	#disturbedAt = performance.now();
	#beatQueued = false;
	#closed = false;

	constructor(deps: MembersDeps) {
		this.#deps = deps;
		deps.subscriptions.add(deps.keys.members, (payload) => this.#onBeat(payload));
		deps.bus.onPeer((slot, up) => {
			if (!up) {
				this.#forgetName(`${deps.owner.pod}/${slot}`);
			}
		});
		deps.redis.onState(() => {
			this.#disturbedAt = performance.now();
		});
		this.#timer = setInterval(() => {
			this.#beat();
			this.#expire();
		}, BEAT_EVERY_MS);
		this.#timer.unref();
	}

	register(nsp: string, uid: string): void {
		this.#own.set(nsp, uid);
		this.#queueBeat();
	}

	unregister(nsp: string): void {
		this.#own.delete(nsp);
		this.#queueBeat();
	}

	/** Ids of the other adapters of a namespace -> name of their worker. */
	nodesOf(nsp: string): ReadonlyMap<string, string> {
		const nodes = new Map<string, string>();
		for (const member of this.#others.values()) {
			const uid = member.nodes.get(nsp);
			if (uid !== undefined) {
				nodes.set(uid, member.name);
			}
		}
		return nodes;
	}

	onLeft(listener: MemberLeftListener): void {
		this.#leftListeners.push(listener);
	}

	/**
	 * Nobody listens on that node's own channel. If its worker is not heard either, it has ended: a frozen one keeps its connections, one that
	 * is connecting anew sends heartbeats meanwhile, one that only closed the namespace says so.
	 */
	suspect(uid: string): void {
		const now = performance.now();
		for (const [id, { nodes, heardAt }] of this.#others) {
			const isQuiet = now - heardAt > QUIET_MS && now - this.#echoedAt < QUIET_MS;
			const isUndisturbed = heardAt > this.#disturbedAt || now - this.#disturbedAt > RECONNECT_MS;
			if (isQuiet && isUndisturbed && [...nodes.values()].includes(uid)) {
				this.#forget(id, 'gone');
			}
		}
	}

	close(): void {
		this.#closed = true;
		clearInterval(this.#timer);
		this.#own.clear();
		this.#beat(true);
	}

	/** Several namespaces that come up together are told once. */
	#queueBeat(): void {
		if (this.#beatQueued || this.#closed) {
			return;
		}
		this.#beatQueued = true;
		setImmediate(() => {
			this.#beatQueued = false;
			this.#beat();
		});
	}

	#beat(isLast = false): void {
		if (this.#deps.redis.state() !== 'ready') {
			return;
		}
		const { owner, keys, redis, log } = this.#deps;
		const beat = { id: this.#id, name: `${owner.pod}/${owner.slot}`, nodes: Object.fromEntries(this.#own), left: isLast };
		redis.commands.publish(keys.members, JSON.stringify(beat)).catch((error: unknown) => {
			log.debug({ err: messageOf(error) }, 'heartbeat of this worker failed');
		});
	}

	#onBeat(payload: Buffer): void {
		const beat = parseBeat(payload);
		if (beat === undefined || this.#closed) {
			return;
		}
		const now = performance.now();
		if (beat.id === this.#id) {
			// After a silence everyone begins anew: they could not be heard.
			if (now - this.#echoedAt > 2 * BEAT_EVERY_MS) {
				for (const member of this.#others.values()) {
					member.heardAt = now;
				}
			}
			this.#echoedAt = now;
			return;
		}
		if (beat.left) {
			this.#forget(beat.id, 'gone');
			return;
		}
		const known = this.#others.get(beat.id);
		this.#others.set(beat.id, { name: beat.name, nodes: beat.nodes, heardAt: now });
		if (known === undefined) {
			// It has not heard us yet.
			this.#queueBeat();
			return;
		}
		const closed = [...known.nodes].filter(([nsp, uid]) => beat.nodes.get(nsp) !== uid);
		if (closed.length > 0) {
			this.#tell(beat.name, new Map(closed), 'gone');
		}
	}

	#expire(): void {
		const now = performance.now();
		if (now - this.#echoedAt > 2 * BEAT_EVERY_MS) {
			return;
		}
		for (const [id, member] of this.#others) {
			if (now - member.heardAt > EXPIRY_MS) {
				this.#forget(id, 'silent');
			}
		}
	}

	#forgetName(name: string): void {
		for (const [id, member] of this.#others) {
			if (member.name === name) {
				this.#forget(id, 'gone');
			}
		}
	}

	#forget(id: string, departure: Departure): void {
		const member = this.#others.get(id);
		if (member && this.#others.delete(id)) {
			this.#tell(member.name, member.nodes, departure);
		}
	}

	#tell(name: string, nodes: ReadonlyMap<string, string>, departure: Departure): void {
		for (const listener of this.#leftListeners) {
			listener(name, nodes, departure);
		}
	}
}

interface Beat {
	readonly id: string;
	readonly name: string;
	readonly nodes: ReadonlyMap<string, string>;
	readonly left: boolean;
}

function parseBeat(payload: Buffer): Beat | undefined {
	const { id, name, nodes, left } = parsePayload(payload) ?? {};
	if (typeof id !== 'string' || typeof name !== 'string' || typeof nodes !== 'object' || nodes === null) {
		return undefined;
	}
	return { id, name, left: left === true, nodes: new Map(Object.entries(nodes).map(([nsp, uid]) => [nsp, String(uid)])) };
}
