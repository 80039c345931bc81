/** The bus between the workers of a pod without the bus: a frame arrives when it is sent, and what is sent on its arrival in the next step. */
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
	#isDelivering = false;

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
			send: (to, topic, payload) => this.#send(slot, to, topic, payload),
			broadcast: (topic, payload) => {
				for (const to of this.#others(slot)) {
					this.#send(slot, to, topic, payload);
				}
			},
			on: (topic, listener) => void own.listeners.set(topic, [...(own.listeners.get(topic) ?? []), listener]),
			onPeer: (listener) => void own.peerListeners.push(listener),
		};
	}

	deliver(from: number, to: number, topic: string, payload: Uint8Array): boolean {
		const member = this.#frozen.has(from) || this.#frozen.has(to) ? undefined : this.#members.get(to);
		this.sent.push({ topic, payload: Buffer.from(payload) });
		const isOutermost = !this.#isDelivering;
		this.#isDelivering = true;
		for (const listener of member?.listeners.get(topic) ?? []) {
			listener(from, Buffer.from(payload));
		}
		this.#isDelivering = !isOutermost;
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

	/** No answer comes before who has asked goes on. */
	#send(from: number, to: number, topic: string, payload: Uint8Array): boolean {
		if (!this.#isDelivering) {
			return this.deliver(from, to, topic, payload);
		}
		queueMicrotask(() => this.deliver(from, to, topic, payload));
		return this.#members.has(to);
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
