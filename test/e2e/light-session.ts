/**
 * A whole Socket.IO session spoken by hand: cheap enough that thousands of them burden the fleet and not this process.
 * Protocols: https://socket.io/docs/v4/engine-io-protocol/ and https://socket.io/docs/v4/socket-io-protocol/
 */
import { once } from 'node:events';
import { type Agent, request } from 'node:http';
import { WebSocket } from 'ws';
import type { Place, Way } from './clients.ts';

const RECORD_SEPARATOR = '\x1e';
const DEADLINE_MS = 60_000;
const CONNECT = '40';
const HELLO = '42["hello",';
const QUESTION = '420["where"]';
const ANSWER = '430';

export interface LightOptions {
	/** Its connections are shared by all sessions, so that requests of one session come over several. */
	readonly agent: Agent;
	/** Send back the cookie that came with the handshake. */
	readonly cookies: boolean;
}

interface Wire {
	send(packet: string): Promise<void>;
	read(): Promise<string>;
	close(): Promise<void>;
}

/** Handshake, upgrade if that is the way, a question with its answer, close. Rejects with what the server said when it is not 200 or 101. */
export async function runLightSession(url: string, way: Way, options: LightOptions): Promise<Place> {
	if (way === 'websocket') {
		const socket = await WebSocketWire.open(url);
		const place = await join(socket);
		await askAndClose(socket);
		return place;
	}
	const polling = await PollingWire.open(url, options);
	const place = await join(polling);
	await askAndClose(way === 'upgrade' ? await upgrade(url, polling) : polling);
	return place;
}

async function join(wire: Wire): Promise<Place> {
	await wire.send(CONNECT);
	const hello = await readUntil(wire, HELLO);
	return (JSON.parse(hello.slice(2)) as [string, Place])[1];
}

async function upgrade(url: string, { sid, cookie }: PollingWire): Promise<Wire> {
	const socket = await WebSocketWire.open(url, sid, cookie);
	await socket.send('2probe');
	await readUntil(socket, '3probe');
	await socket.send('5');
	return socket;
}

async function askAndClose(wire: Wire): Promise<void> {
	await wire.send(QUESTION);
	await readUntil(wire, ANSWER);
	await wire.close();
}

/** The next packet that starts so; pings on the way are answered. */
async function readUntil(wire: Wire, start: string): Promise<string> {
	for (;;) {
		const packet = await wire.read();
		if (packet.startsWith(start)) {
			return packet;
		}
		if (packet === '2') {
			await wire.send('3');
		} else if (['1', '41', '44'].some((end) => packet.startsWith(end))) {
			throw new Error(`closed by the server: ${packet}`);
		}
	}
}

class PollingWire implements Wire {
	readonly #url: string;
	readonly #options: LightOptions;
	readonly #unread: string[] = [];
	sid = '';
	cookie: string | undefined;

	private constructor(url: string, options: LightOptions) {
		this.#url = `${url}/socket.io/?EIO=4&transport=polling`;
		this.#options = options;
	}

	static async open(url: string, options: LightOptions): Promise<PollingWire> {
		const wire = new PollingWire(url, options);
		const handshake = await wire.read();
		wire.sid = (JSON.parse(handshake.slice(1)) as { sid: string }).sid;
		return wire;
	}

	async send(packet: string): Promise<void> {
		await this.#request('POST', packet);
	}

	async read(): Promise<string> {
		while (this.#unread.length === 0) {
			this.#unread.push(...(await this.#request('GET')).split(RECORD_SEPARATOR));
		}
		return this.#unread.shift() ?? '';
	}

	close(): Promise<void> {
		return this.send('1');
	}

	#request(method: 'GET' | 'POST', body?: string): Promise<string> {
		const url = this.sid === '' ? this.#url : `${this.#url}&sid=${this.sid}`;
		const headers = this.cookie === undefined ? {} : { cookie: this.cookie };
		const options = { method, headers, agent: this.#options.agent, signal: AbortSignal.timeout(DEADLINE_MS) };
		return new Promise((resolve, reject) => {
			const outgoing = request(url, options, (answer) => {
				let text = '';
				answer.setEncoding('utf8').on('data', (chunk: string) => {
					text += chunk;
				});
				answer.on('error', reject);
				answer.on('end', () => {
					if (answer.statusCode === 200) {
						this.#keepCookies(answer.headers['set-cookie']);
						resolve(text);
					} else {
						reject(new Error(`${method} answered ${answer.statusCode}: ${text}`));
					}
				});
			});
			outgoing.on('error', reject);
			outgoing.end(body);
		});
	}

	#keepCookies(lines: readonly string[] | undefined): void {
		if (this.#options.cookies && lines !== undefined) {
			this.cookie = lines.map((line) => line.split(';', 1)[0]).join('; ');
		}
	}
}

class WebSocketWire implements Wire {
	readonly #socket: WebSocket;
	readonly #unread: string[] = [];
	#failure: Error | undefined;
	#wake: () => void = () => undefined;

	private constructor(socket: WebSocket) {
		this.#socket = socket;
		const deadline = setTimeout(() => socket.terminate(), DEADLINE_MS);
		socket.on('message', (data: Buffer) => {
			this.#unread.push(data.toString());
			this.#wake();
		});
		const end = (error: Error): void => {
			clearTimeout(deadline);
			this.#failure ??= error;
			this.#wake();
		};
		socket.on('error', end);
		socket.on('close', (code) => end(new Error(`WebSocket closed with ${code}`)));
	}

	/** A session of its own, or the upgrade of one that has an id. */
	static async open(url: string, sid?: string, cookie?: string): Promise<WebSocketWire> {
		const query = `EIO=4&transport=websocket${sid === undefined ? '' : `&sid=${sid}`}`;
		const options = { perMessageDeflate: false, ...(cookie === undefined ? {} : { headers: { cookie } }) };
		const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?${query}`, options);
		const wire = new WebSocketWire(socket);
		await once(socket, 'open');
		return wire;
	}

	async send(packet: string): Promise<void> {
		this.#socket.send(packet);
	}

	async read(): Promise<string> {
		while (this.#unread.length === 0) {
			if (this.#failure) {
				throw this.#failure;
			}
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
		}
		return this.#unread.shift() ?? '';
	}

	async close(): Promise<void> {
		if (this.#failure) {
			throw this.#failure;
		}
		const closed = once(this.#socket, 'close');
		this.#socket.close();
		await closed;
	}
}
