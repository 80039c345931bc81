/** Keep-alive connections that post one body after the other: as little client as possible, since it shares the cores. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface HttpTarget {
	readonly port: number;
	readonly path: string;
	readonly token: string;
}

export class PostConnection {
	readonly #socket: Socket;
	readonly #head: string;
	#received = '';
	#onStatus: ((status: number) => void) | undefined;

	static async open({ port, path, token }: HttpTarget): Promise<PostConnection> {
		const socket = connect(port, '127.0.0.1').setNoDelay(true);
		await once(socket, 'connect');
		return new PostConnection(
			socket,
			`POST ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`,
		);
	}

	private constructor(socket: Socket, head: string) {
		this.#socket = socket;
		this.#head = head;
		socket.setEncoding('latin1').on('data', (text: string) => this.#take(text));
	}

	/** One request at a time; resolves to the status of its answer. */
	post(body: string): Promise<number> {
		this.#socket.write(`${this.#head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
		return new Promise((resolve) => {
			this.#onStatus = resolve;
		});
	}

	close(): void {
		this.#socket.destroy();
	}

	#take(text: string): void {
		this.#received += text;
		const headEnd = this.#received.indexOf('\r\n\r\n');
		const length = Number(/content-length: (\d+)/i.exec(this.#received)?.[1]);
		if (headEnd >= 0 && this.#received.length >= headEnd + 4 + length) {
			const status = Number(this.#received.slice(9, 12));
			this.#received = '';
			this.#onStatus?.(status);
		}
	}
}
