/**
 * A Socket.IO client of the default namespace over a bare WebSocket: cheap enough that thousands fit beside the server that is measured.
 * Protocols: https://socket.io/docs/v4/engine-io-protocol/ and https://socket.io/docs/v4/socket-io-protocol/
 */
import { WebSocket } from 'ws';

/** What recovery needs: who the client was, and the last message it has. */
export interface ResumePoint {
	readonly pid: string;
	readonly offset: string;
}

export interface ConnectOptions {
	/** Source address of the TCP connection. */
	readonly localAddress?: string;
	/** Rooms that the application joins the client to. */
	readonly rooms?: readonly string[];
	readonly resume?: ResumePoint;
	readonly deadlineMs?: number;
	readonly onEvent?: (name: string, args: readonly unknown[]) => void;
}

/** `hung`: no answer within the deadline. `closed`: taken, and closed in good order before the namespace answered, as a drain does. */
export type FailureReason = 'hung' | 'refused' | 'closed';

export class ConnectFailed extends Error {
	readonly reason: FailureReason;

	constructor(reason: FailureReason, message: string) {
		super(message);
		this.reason = reason;
	}
}

const DEFAULT_DEADLINE_MS = 20_000;
/** The TCP connection ended without a close frame. RFC 6455, section 7.1.5. */
const ABNORMAL_CLOSURE = 1006;

export class SocketClient {
	readonly #socket: WebSocket;
	readonly #options: ConnectOptions;
	readonly #acks = new Map<number, (value: unknown) => void>();
	#nextAck = 0;
	#pid: string | undefined;
	#offset: string | undefined;
	/** From the CONNECT packet to its answer. */
	connectMs = 0;

	private constructor(socket: WebSocket, options: ConnectOptions) {
		this.#socket = socket;
		this.#options = options;
		this.#offset = options.resume?.offset;
	}

	/** Resolves when the namespace has answered; rejects with ConnectFailed. */
	static connect(url: string, options: ConnectOptions = {}): Promise<SocketClient> {
		const { localAddress, rooms = [], deadlineMs = DEFAULT_DEADLINE_MS } = options;
		const query = new URLSearchParams({ EIO: '4', transport: 'websocket', rooms: rooms.join(',') });
		const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?${query.toString()}`, {
			perMessageDeflate: false,
			...(localAddress === undefined ? {} : { localAddress }),
		});
		const client = new SocketClient(socket, options);
		return new Promise((resolve, reject) => {
			const fail = (reason: FailureReason, message: string): void => {
				clearTimeout(timer);
				socket.terminate();
				reject(new ConnectFailed(reason, message));
			};
			const timer = setTimeout(() => fail('hung', `no session within ${deadlineMs} ms`), deadlineMs);
			socket.on('error', (error) => fail('refused', error.message));
			socket.on('close', (code) => fail(code === ABNORMAL_CLOSURE ? 'refused' : 'closed', `closed with ${code}`));
			socket.on('message', (data: Buffer) => {
				if (client.#receive(data.toString())) {
					clearTimeout(timer);
					resolve(client);
				}
			});
		});
	}

	/** Did the server say that it is the same session as before? */
	get isRecovered(): boolean {
		return this.#pid !== undefined && this.#pid === this.#options.resume?.pid;
	}

	/** Undefined until the client has an offset: it can not be recovered before. */
	get resumePoint(): ResumePoint | undefined {
		return this.#pid !== undefined && this.#offset !== undefined ? { pid: this.#pid, offset: this.#offset } : undefined;
	}

	emit(...event: readonly unknown[]): void {
		this.#socket.send(`42${JSON.stringify(event)}`);
	}

	/** Resolves with the first argument of the acknowledgement. */
	request(...event: readonly unknown[]): Promise<unknown> {
		const id = this.#nextAck++;
		this.#socket.send(`42${id}${JSON.stringify(event)}`);
		return new Promise((resolve) => {
			this.#acks.set(id, resolve);
		});
	}

	/** Ends the TCP connection without a word, as a lost network does. */
	drop(): void {
		this.#socket.terminate();
	}

	/** Resolves when both sides have closed. */
	async close(): Promise<void> {
		if (this.#socket.readyState === WebSocket.CLOSED) {
			return;
		}
		await new Promise<void>((resolve) => {
			this.#socket.once('close', () => resolve());
			this.#socket.close();
		});
	}

	/** True when the namespace has just answered. */
	#receive(packet: string): boolean {
		switch (packet[0]) {
			case '0': {
				const { resume } = this.#options;
				this.connectMs = performance.now();
				this.#socket.send(resume ? `40${JSON.stringify(resume)}` : '40');
				return false;
			}
			case '2':
				this.#socket.send('3');
				return false;
			case '4':
				return this.#receiveMessage(packet);
			default:
				return false;
		}
	}

	#receiveMessage(packet: string): boolean {
		switch (packet[1]) {
			case '0':
				this.#pid = (JSON.parse(packet.slice(2)) as { pid?: string }).pid;
				this.connectMs = performance.now() - this.connectMs;
				return true;
			case '2':
				this.#receiveEvent(JSON.parse(packet.slice(2)) as [string, ...unknown[]]);
				return false;
			case '3': {
				const start = packet.indexOf('[');
				const id = Number(packet.slice(2, start));
				this.#acks.get(id)?.((JSON.parse(packet.slice(start)) as unknown[])[0]);
				this.#acks.delete(id);
				return false;
			}
			default:
				return false;
		}
	}

	/** With recovery on, the last argument of an event is the offset of the stream. */
	#receiveEvent([name, ...args]: [string, ...unknown[]]): void {
		const last = args.at(-1);
		if (this.#pid !== undefined && typeof last === 'string') {
			this.#offset = last;
		}
		this.#options.onEvent?.(name, args);
	}
}

/** Spread over 127.0.0.0/8, the same for the same index; never 127.0.0.1. */
export function sourceAddress(index: number): string {
	const mixed = Math.imul(index + 1, 0x9e3779b1) >>> 0;
	return `127.${1 + (mixed % 254)}.${(mixed >>> 8) % 256}.${1 + ((mixed >>> 16) % 254)}`;
}
