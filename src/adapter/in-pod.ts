/**
 * The adapter of a pod without Redis: the workers' namespaces exchange messages over the bus between them.
 * No recovery: nothing is kept. The bus never goes through the primary.
 */
import { deserialize, serialize } from 'node:v8';
import type { Namespace } from 'socket.io';
import { ClusterAdapterWithHeartbeat, type ClusterMessage, type ClusterResponse } from 'socket.io-adapter';
import { messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Bus } from '../ipc/bus.ts';
import { ADAPTER_CLOSE } from '../stream/protocol.ts';

const TOPIC = 'adapter';
/** Who holds the other end of a dead connection is known at once from the bus; the heartbeat only catches a worker that hangs. */
const HEARTBEAT_EVERY_MS = 5000;
const HEARTBEAT_TIMEOUT_MS = 15_000;

export interface InPodHub extends Closable {
	create(nsp: Namespace): ClusterAdapterWithHeartbeat;
}

/** One hub for each worker: a single listener on the bus, dispatching by namespace. */
export function createInPodHub(bus: Bus, log: Logger): InPodHub {
	return new Hub(bus, log);
}

class Hub implements InPodHub {
	readonly #bus: Bus;
	readonly #log: Logger;
	readonly #adapters = new Map<string, InPodAdapter>();
	#closed = false;

	constructor(bus: Bus, log: Logger) {
		this.#bus = bus;
		this.#log = log;
		bus.on(TOPIC, (from, payload) => this.#onPayload(from, payload));
		bus.onPeer((slot, up) => this.#onPeer(slot, up));
	}

	create(nsp: Namespace): InPodAdapter {
		const adapter = new InPodAdapter(nsp, {
			broadcast: (message) => this.#bus.broadcast(TOPIC, encode(message)),
			send: (slot, message) => this.#bus.send(slot, TOPIC, encode(message)),
			onClose: () => this.#adapters.delete(nsp.name),
		});
		this.#adapters.set(nsp.name, adapter);
		return adapter;
	}

	close(): void {
		this.#closed = true;
		for (const adapter of [...this.#adapters.values()]) {
			adapter.close();
		}
	}

	#onPayload(from: number, payload: Buffer): void {
		if (this.#closed) {
			return;
		}
		let message: ClusterMessage | ClusterResponse;
		try {
			message = deserialize(payload) as ClusterMessage | ClusterResponse;
		} catch (error) {
			this.#log.error({ from, err: messageOf(error) }, 'a message of a sibling worker cannot be read');
			return;
		}
		this.#adapters.get(message.nsp)?.receive(from, message);
	}

	#onPeer(slot: number, up: boolean): void {
		for (const adapter of this.#adapters.values()) {
			if (up) {
				// The new one has heard nobody yet, and nobody it: both must count before the first fetchSockets().
				adapter.init();
			} else {
				adapter.forgetSlot(slot);
			}
		}
	}
}

/**
 * `v8.serialize` and not MessagePack: it is in Node, it keeps `undefined`, Dates, Maps, BigInts and typed arrays as a client of the
 * same worker would be sent them, and it takes cycles. Functions it refuses; those are taken out as JSON takes them out.
 */
function encode(message: ClusterMessage | ClusterResponse): Buffer {
	try {
		return serialize(message);
	} catch {
		return serialize(JSON.parse(JSON.stringify(message, dropBigInt)));
	}
}

function dropBigInt(_key: string, value: unknown): unknown {
	return typeof value === 'bigint' ? undefined : value;
}

interface HubLink {
	broadcast(message: ClusterMessage): void;
	send(slot: number, message: ClusterResponse): void;
	onClose(): void;
}

class InPodAdapter extends ClusterAdapterWithHeartbeat {
	readonly #link: HubLink;
	/** Which worker holds a node, to answer it alone and to forget it when that worker dies. */
	readonly #slotOf = new Map<string, number>();

	constructor(nsp: Namespace, link: HubLink) {
		super(nsp, { heartbeatInterval: HEARTBEAT_EVERY_MS, heartbeatTimeout: HEARTBEAT_TIMEOUT_MS });
		this.#link = link;
	}

	override close(): void {
		super.close();
		this.#link.onClose();
	}

	receive(from: number, message: ClusterMessage | ClusterResponse): void {
		this.#slotOf.set(message.uid, from);
		this.onMessage(message as ClusterMessage);
	}

	forgetSlot(slot: number): void {
		for (const [uid, holder] of this.#slotOf) {
			if (holder === slot) {
				this.#slotOf.delete(uid);
				// The base class removes a node, and resolves what waited for it, when it hears that node's farewell.
				this.onMessage({ uid, nsp: this.nsp.name, type: ADAPTER_CLOSE });
			}
		}
	}

	protected override doPublish(message: ClusterMessage): Promise<string> {
		this.#link.broadcast(message);
		return Promise.resolve('');
	}

	protected override doPublishResponse(requesterUid: string, response: ClusterResponse): Promise<void> {
		const slot = this.#slotOf.get(requesterUid);
		if (slot !== undefined) {
			this.#link.send(slot, response);
		}
		return Promise.resolve();
	}
}
