/**
 * One sibling on the bus. Two one-way connections: ours, which we dial again for as long as it takes, and the sibling's.
 * The sibling is up while both stand: its own dialling shows that the process behind the socket file is alive and listens.
 */
import { connect, type Socket } from 'node:net';
import { backoffMs } from '../base/backoff.ts';
import { withDeadline } from '../base/deadline.ts';
import type { Logger } from '../base/log.ts';
import { type FrameDecoder, MAX_FRAME_BYTES } from './frames.ts';

export interface BusPeerOptions {
	readonly slot: number;
	/** Socket file on which the sibling listens. */
	readonly path: string;
	/** First bytes on our connection: says who we are. */
	readonly hello: Buffer;
	readonly log: Logger;
	readonly onUp: (up: boolean) => void;
	readonly onFrame: (topic: string, payload: Buffer) => void;
}

/** Most bytes that wait for a sibling that does not read; beyond it is dropped, and dialled anew. */
const MAX_WAITING_BYTES = MAX_FRAME_BYTES;
/** Refusals are cheap on one machine, and a sibling that starts dials us itself, which makes us dial at once. */
const REDIAL = { minMs: 20, maxMs: 2000 };
const FLUSH_TIMEOUT_MS = 1000;

export class BusPeer {
	readonly #options: BusPeerOptions;
	#outgoing: Socket | undefined;
	#incoming: Socket | undefined;
	#dialling: Socket | undefined;
	#redialTimer: NodeJS.Timeout | undefined;
	#attempt = 0;
	#isUp = false;
	#isCorked = false;
	#isClosed = false;
	readonly #waiters = new Set<() => void>();

	constructor(options: BusPeerOptions) {
		this.#options = options;
	}

	get isUp(): boolean {
		return this.#isUp;
	}

	/** Dials for as long as the bus lives. Resolves with the first attempt: false when nothing listens there. */
	dial(): Promise<boolean> {
		if (this.#dialling) {
			return Promise.resolve(true);
		}
		clearTimeout(this.#redialTimer);
		const socket = connect(this.#options.path);
		this.#dialling = socket;
		return new Promise((resolve) => {
			socket.once('connect', () => {
				this.#outgoing = socket;
				socket.write(this.#options.hello);
				// Nothing comes back on it; reading is what notices its end.
				socket.resume();
				this.#update();
				resolve(true);
			});
			socket.on('error', (error) => this.#options.log.debug({ peer: this.#options.slot, err: error.message }, 'bus: connection failed'));
			socket.once('close', () => {
				this.#dialling = undefined;
				this.#outgoing = undefined;
				this.#update();
				resolve(false);
				this.#redialLater();
			});
		});
	}

	/** Takes the sibling's connection, whose hello was read; a newer one replaces an older. */
	adopt(socket: Socket, decoder: FrameDecoder): void {
		this.#incoming?.destroy();
		this.#incoming = socket;
		socket.on('data', (chunk: Buffer) => {
			decoder.push(chunk);
			this.#drainFrames(socket, decoder);
		});
		socket.once('close', () => {
			if (this.#incoming === socket) {
				this.#incoming = undefined;
				this.#update();
			}
		});
		this.#attempt = 0;
		void this.dial();
		this.#update();
		this.#drainFrames(socket, decoder);
	}

	/** Resolves when the sibling is up, or after `ms`. */
	async whenUp(ms: number): Promise<void> {
		if (this.#isUp) {
			return;
		}
		await new Promise<void>((resolve) => {
			const done = () => {
				clearTimeout(timer);
				this.#waiters.delete(done);
				resolve();
			};
			const timer = setTimeout(done, ms);
			this.#waiters.add(done);
		});
	}

	/** False when the sibling is not up, or was dropped for having too much waiting. */
	send(header: Buffer, payload: Uint8Array): boolean {
		const socket = this.#outgoing;
		if (!this.#isUp || !socket) {
			return false;
		}
		if (socket.writableLength + header.length + payload.length > MAX_WAITING_BYTES && socket.writableLength > 0) {
			this.#drop(socket.writableLength);
			return false;
		}
		this.#corkForThisTick(socket);
		socket.write(header);
		socket.write(payload);
		return true;
	}

	/** Sends what still waits, within a second. */
	async close(): Promise<void> {
		this.#isClosed = true;
		this.#isUp = false;
		clearTimeout(this.#redialTimer);
		const socket = this.#dialling;
		if (socket && !socket.destroyed) {
			const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
			socket.end();
			await withDeadline(closed, FLUSH_TIMEOUT_MS, `flushing to sibling ${this.#options.slot}`).catch(() => socket.destroy());
		}
		this.#incoming?.destroy();
	}

	/** One system call for everything that is sent in a tick. */
	#corkForThisTick(socket: Socket): void {
		if (this.#isCorked) {
			return;
		}
		this.#isCorked = true;
		socket.cork();
		process.nextTick(() => {
			this.#isCorked = false;
			socket.uncork();
		});
	}

	#drainFrames(socket: Socket, decoder: FrameDecoder): void {
		while (!socket.destroyed && !this.#isClosed) {
			const frame = decoder.next();
			if (frame.kind === 'need-more') {
				return;
			}
			if (frame.kind === 'invalid') {
				this.#options.log.error({ peer: this.#options.slot, reason: frame.reason }, 'bus: sibling sent what is no frame');
				socket.destroy();
				return;
			}
			this.#options.onFrame(frame.topic, frame.payload);
		}
	}

	/** Both ways, so that it only counts as up again once it has dialled us: a frozen process never does. */
	#drop(waitingBytes: number): void {
		this.#options.log.error({ peer: this.#options.slot, waitingBytes }, 'bus: sibling does not read; what waited for it is lost');
		this.#incoming?.destroy();
		this.#outgoing?.destroy();
		this.#update();
	}

	#update(): void {
		const up = this.#outgoing?.destroyed === false && this.#incoming?.destroyed === false;
		if (up === this.#isUp || this.#isClosed) {
			return;
		}
		this.#isUp = up;
		if (up) {
			this.#attempt = 0;
			for (const done of this.#waiters) {
				done();
			}
		}
		this.#options.onUp(up);
	}

	#redialLater(): void {
		if (!this.#isClosed) {
			this.#redialTimer = setTimeout(() => void this.dial(), backoffMs(this.#attempt++, REDIAL));
		}
	}
}
