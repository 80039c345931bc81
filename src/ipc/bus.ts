/** Messages between the workers of a pod, over Unix sockets in the run directory; never through the primary. */
import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { AppError } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import { BusPeer } from './bus-peer.ts';
import { buildFrameHeader, FrameDecoder } from './frames.ts';

export interface BusOptions {
	/** Directory that all workers of the pod share and nobody else can enter. */
	readonly runDir: string;
	readonly slot: number;
	/** How many slots the pod has. */
	readonly slots: number;
	readonly log: Logger;
}

export type BusListener = (from: number, payload: Buffer) => void;
export type PeerListener = (slot: number, up: boolean) => void;

export interface Bus extends Closable {
	readonly slot: number;
	/** Resolves when it listens and every sibling that is alive is up; one that does not answer delays it by a second at most. */
	start(): Promise<void>;
	/** Siblings that are up, ascending. */
	peers(): readonly number[];
	/**
	 * Frames of one pair arrive in the order they were sent, each once, as long as the pair stays up.
	 * False when it can't be sent: the sibling is not up, or the frame is above 64 MiB. The payload must not be changed afterwards.
	 */
	send(slot: number, topic: string, payload: Uint8Array): boolean;
	/** To every sibling that is up. */
	broadcast(topic: string, payload: Uint8Array): void;
	/** Several listeners may share a topic; a topic nobody listens to is ignored. Topics are 1 to 255 bytes. */
	on(topic: string, listener: BusListener): void;
	onPeer(listener: PeerListener): void;
}

/** The topic of the first frame on a connection; its payload is the dialling worker's slot. */
const HELLO_TOPIC = 'socketfleet-bus/1';
const HELLO_TIMEOUT_MS = 5000;
const PEER_START_TIMEOUT_MS = 1000;
/** `sun_path` holds 108 bytes on Linux, 104 on macOS, one of them the terminator. */
const MAX_SOCKET_PATH_BYTES = 103;

export function createBus(options: BusOptions): Bus {
	return new UnixBus(options);
}

/** Where the worker of `slot` listens. */
function socketPath(runDir: string, slot: number): string {
	return join(runDir, `bus-${slot}.sock`);
}

class UnixBus implements Bus {
	readonly slot: number;
	readonly #path: string;
	readonly #log: Logger;
	readonly #peers = new Map<number, BusPeer>();
	readonly #listeners = new Map<string, BusListener[]>();
	readonly #peerListeners: PeerListener[] = [];
	/** Connections that have not said who they are. */
	readonly #strangers = new Set<Socket>();
	#server: Server | undefined;

	constructor({ runDir, slot, slots, log }: BusOptions) {
		this.slot = slot;
		this.#log = log;
		this.#path = socketPath(runDir, slot);
		if (Buffer.byteLength(this.#path) > MAX_SOCKET_PATH_BYTES) {
			throw new AppError(
				'ERR_CONFIG',
				`run directory ${runDir}: its path is too long for a Unix socket, at most 103 bytes with the file name`,
			);
		}
		const hello = buildHello(slot);
		for (let peer = 0; peer < slots; peer++) {
			if (peer !== slot) {
				this.#peers.set(peer, this.#createPeer(peer, socketPath(runDir, peer), hello));
			}
		}
	}

	async start(): Promise<void> {
		await this.#listen();
		await Promise.all(
			[...this.#peers.values()].map(async (peer) => {
				if (await peer.dial()) {
					await peer.whenUp(PEER_START_TIMEOUT_MS);
				}
			}),
		);
	}

	peers(): readonly number[] {
		return [...this.#peers].filter(([, peer]) => peer.isUp).map(([slot]) => slot);
	}

	send(slot: number, topic: string, payload: Uint8Array): boolean {
		const header = this.#header(topic, payload);
		return header !== undefined && this.#peers.get(slot)?.send(header, payload) === true;
	}

	broadcast(topic: string, payload: Uint8Array): void {
		const header = this.#header(topic, payload);
		if (header) {
			for (const peer of this.#peers.values()) {
				peer.send(header, payload);
			}
		}
	}

	on(topic: string, listener: BusListener): void {
		this.#listeners.set(topic, [...(this.#listeners.get(topic) ?? []), listener]);
	}

	onPeer(listener: PeerListener): void {
		this.#peerListeners.push(listener);
	}

	async close(): Promise<void> {
		const server = this.#server;
		this.#server = undefined;
		server?.close();
		for (const socket of this.#strangers) {
			socket.destroy();
		}
		await Promise.all([...this.#peers.values()].map((peer) => peer.close()));
	}

	#createPeer(slot: number, path: string, hello: Buffer): BusPeer {
		return new BusPeer({
			slot,
			path,
			hello,
			log: this.#log,
			onUp: (up) => {
				this.#log.debug({ peer: slot, up }, 'bus: sibling changed');
				for (const listener of this.#peerListeners) {
					listener(slot, up);
				}
			},
			onFrame: (topic, payload) => {
				for (const listener of this.#listeners.get(topic) ?? []) {
					listener(slot, payload);
				}
			},
		});
	}

	#header(topic: string, payload: Uint8Array): Buffer | undefined {
		const header = buildFrameHeader(topic, payload.length);
		if (!header) {
			this.#log.error({ topic, bytes: payload.length }, 'bus: message too large for the siblings, not sent');
		}
		return header;
	}

	/** A killed worker leaves its socket file behind, and the slot has one worker at a time: ours to remove. */
	async #listen(): Promise<void> {
		await rm(this.#path, { force: true });
		const server = createServer((socket) => this.#onConnection(socket));
		await new Promise<void>((resolve, reject) => {
			server.once('error', reject);
			// Exclusive: else node:cluster lets the primary open it, and keep it open beyond a worker's death.
			server.listen({ path: this.#path, exclusive: true }, resolve);
		});
		server.removeAllListeners('error');
		server.on('error', (error) => this.#log.error({ err: error.message }, 'bus: accepting failed'));
		this.#server = server;
	}

	#onConnection(socket: Socket): void {
		const decoder = new FrameDecoder();
		this.#strangers.add(socket);
		const timer = setTimeout(() => socket.destroy(), HELLO_TIMEOUT_MS);
		const onData = (chunk: Buffer) => {
			decoder.push(chunk);
			const hello = decoder.next();
			if (hello.kind === 'need-more') {
				return;
			}
			settle();
			const slot = hello.kind === 'found' && hello.topic === HELLO_TOPIC ? hello.payload[0] : undefined;
			const peer = slot === undefined ? undefined : this.#peers.get(slot);
			if (peer && this.#server) {
				peer.adopt(socket, decoder);
				return;
			}
			this.#log.error({ slot }, 'bus: connection of no sibling');
			socket.destroy();
		};
		const settle = () => {
			clearTimeout(timer);
			this.#strangers.delete(socket);
			socket.off('data', onData);
		};
		socket.on('data', onData);
		socket.on('error', (error) => this.#log.debug({ err: error.message }, 'bus: connection failed'));
		socket.once('close', settle);
	}
}

function buildHello(slot: number): Buffer {
	const payload = Buffer.from([slot]);
	const header = buildFrameHeader(HELLO_TOPIC, payload.length);
	return header ? Buffer.concat([header, payload]) : payload;
}
