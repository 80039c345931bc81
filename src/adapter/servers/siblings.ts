/**
 * Which workers of this pod hold which namespaces, where there is no Redis: each tells its siblings over the bus. A worker is forgotten
 * at once when its end of the bus is gone; the heartbeat only catches one that hangs.
 */
import type { Closable } from '../../base/lifecycle.ts';
import type { Bus } from '../../ipc/bus.ts';
import { parsePayload } from '../payload.ts';
import type { MemberLeftListener } from './members.ts';

/** Namespace -> id of the adapter there, or null: it is closed. None is a heartbeat. */
type Changes = Readonly<Record<string, string | null>>;

interface Sibling {
	/** `<pod>/<slot>`, as people know it. */
	readonly name: string;
	/** Namespace -> id of the adapter there. */
	readonly nodes: Map<string, string>;
	/** How many heartbeats this worker has sent since it heard that one. */
	silentBeats: number;
}

const TOPIC = 'siblings';
const BEAT_EVERY_MS = 5000;
/** Counted in our own heartbeats, and not in time: when this worker was stopped, all others would seem silent. */
const MAX_SILENT_BEATS = 3;

export class Siblings implements Closable {
	readonly #bus: Bus;
	readonly #pod: string;
	readonly #own = new Map<string, string>();
	readonly #others = new Map<number, Sibling>();
	readonly #leftListeners: MemberLeftListener[] = [];
	readonly #timer: NodeJS.Timeout;

	constructor(bus: Bus, pod: string) {
		this.#bus = bus;
		this.#pod = pod;
		bus.on(TOPIC, (slot, payload) => this.#onChanges(slot, parseChanges(payload)));
		bus.onPeer((slot, up) => {
			if (up) {
				this.#introduce(slot);
			} else {
				this.#forget(slot);
			}
		});
		// Those that are up already hear someone new, and introduce themselves.
		this.#tell({});
		this.#timer = setInterval(() => this.#beat(), BEAT_EVERY_MS);
		this.#timer.unref();
	}

	register(nsp: string, uid: string): void {
		this.#own.set(nsp, uid);
		this.#tell({ [nsp]: uid });
	}

	unregister(nsp: string): void {
		this.#own.delete(nsp);
		this.#tell({ [nsp]: null });
	}

	/** Ids of the other adapters of a namespace -> name of their worker. Who is silent is left out until it is heard again. */
	nodesOf(nsp: string): ReadonlyMap<string, string> {
		const nodes = new Map<string, string>();
		for (const { name, nodes: held, silentBeats } of this.#others.values()) {
			const uid = held.get(nsp);
			if (uid !== undefined && silentBeats <= MAX_SILENT_BEATS) {
				nodes.set(uid, name);
			}
		}
		return nodes;
	}

	/** The worker that has that adapter. */
	slotOf(nsp: string, uid: string): number | undefined {
		for (const [slot, { nodes }] of this.#others) {
			if (nodes.get(nsp) === uid) {
				return slot;
			}
		}
		return undefined;
	}

	onLeft(listener: MemberLeftListener): void {
		this.#leftListeners.push(listener);
	}

	close(): void {
		clearInterval(this.#timer);
	}

	#beat(): void {
		for (const sibling of this.#others.values()) {
			sibling.silentBeats++;
		}
		this.#tell({});
	}

	#introduce(slot: number): void {
		this.#bus.send(slot, TOPIC, buildChanges(Object.fromEntries(this.#own)));
	}

	#tell(changes: Changes): void {
		this.#bus.broadcast(TOPIC, buildChanges(changes));
	}

	#onChanges(slot: number, changes: Changes): void {
		const known = this.#others.get(slot);
		const sibling = known ?? { name: `${this.#pod}/${slot}`, nodes: new Map<string, string>(), silentBeats: 0 };
		sibling.silentBeats = 0;
		if (known === undefined) {
			this.#others.set(slot, sibling);
			this.#introduce(slot);
		}
		for (const [nsp, uid] of Object.entries(changes)) {
			const before = sibling.nodes.get(nsp);
			if (uid === null) {
				sibling.nodes.delete(nsp);
			} else {
				sibling.nodes.set(nsp, uid);
			}
			if (before !== undefined && before !== uid) {
				this.#tellLeft(sibling.name, new Map([[nsp, before]]));
			}
		}
	}

	#forget(slot: number): void {
		const sibling = this.#others.get(slot);
		if (sibling !== undefined) {
			this.#others.delete(slot);
			this.#tellLeft(sibling.name, sibling.nodes);
		}
	}

	#tellLeft(name: string, nodes: ReadonlyMap<string, string>): void {
		for (const listener of this.#leftListeners) {
			listener(name, nodes, 'gone');
		}
	}
}

function buildChanges(changes: Changes): Buffer {
	return Buffer.from(JSON.stringify(changes));
}

function parseChanges(payload: Buffer): Changes {
	const entries = Object.entries(parsePayload(payload) ?? {});
	return Object.fromEntries(entries.filter((entry): entry is [string, string | null] => entry[1] === null || typeof entry[1] === 'string'));
}
