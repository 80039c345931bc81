/** The bus between the workers of a pod without the bus: a frame arrives when it is sent. */
import type { Bus, BusListener, PeerListener } from '../../../src/ipc/bus.ts';

interface Member {
	readonly listeners: Map<string, BusListener[]>;
	readonly peerListeners: PeerListener[];
}

export class FakePod {
	/** Every frame that was sent, once for each worker it goes to. */
	readonly sent: { readonly topic: string; readonly payload: Buffer }[] = [];
	readonly #members = new Map<number, Member>();
	readonly #frozen = new Set<number>();

	/** A worker whose siblings see it come up at once. */
	connect(slot: number): Bus {
		const own: Member = { listeners: new Map(), peerListeners: [] };
		for (const other of this.#others(slot)) {
			this.#tell(other, slot, true);
		}
		this.#members.set(slot, own);
		return {
			slot,
			start: () => Promise.resolve(),
			close: () => undefined,
			peers: () => this.#others(slot),
			send: (to, topic, payload) => this.deliver(slot, to, topic, payload),
			broadcast: (topic, payload) => {
				for (const to of this.#others(slot)) {
					this.deliver(slot, to, topic, payload);
				}
			},
			on: (topic, listener) => void own.listeners.set(topic, [...(own.listeners.get(topic) ?? []), listener]),
			onPeer: (listener) => void own.peerListeners.push(listener),
		};
	}

	deliver(from: number, to: number, topic: string, payload: Uint8Array): boolean {
		const member = this.#frozen.has(from) || this.#frozen.has(to) ? undefined : this.#members.get(to);
		this.sent.push({ topic, payload: Buffer.from(payload) });
		for (const listener of member?.listeners.get(topic) ?? []) {
			listener(from, Buffer.from(payload));
		}
		return member !== undefined;
	}

	/** That worker's process has ended. */
	kill(slot: number): void {
		this.#members.delete(slot);
		for (const other of this.#others(slot)) {
			this.#tell(other, slot, false);
		}
	}

	/** Nothing is heard from it, and nobody is told. */
	freeze(slot: number): void {
		this.#frozen.add(slot);
	}

	thaw(slot: number): void {
		this.#frozen.delete(slot);
	}

	#others(slot: number): number[] {
		return [...this.#members.keys()].filter((other) => other !== slot);
	}

	#tell(to: number, slot: number, up: boolean): void {
		for (const listener of this.#members.get(to)?.peerListeners ?? []) {
			listener(slot, up);
		}
	}
}
