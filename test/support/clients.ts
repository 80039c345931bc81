/** Stock Socket.IO clients, disconnected with the test. */
import { Agent, type ClientRequest, type IncomingHttpHeaders, type RequestOptions, request } from 'node:http';
import { io, type Socket } from 'socket.io-client';
import type { Where } from '../integration/apps/echo.ts';
import type { Scope } from './redis-server.ts';
import { waitFor } from './wait.ts';

export const ECHO_APP = new URL('../integration/apps/echo.ts', import.meta.url).pathname;

export type Transport = 'polling' | 'upgrade' | 'websocket';
export const TRANSPORTS: readonly Transport[] = ['polling', 'upgrade', 'websocket'];

export interface ClientOptions {
	readonly transport?: Transport;
	/** Default: one that opens a new connection for every request, so that each comes from another port. */
	readonly agent?: Agent;
	readonly headers?: Readonly<Record<string, string>>;
	readonly reconnection?: boolean;
}

const ACK_TIMEOUT_MS = 30_000;

/** Not connected yet. */
export function createClient(t: Scope, url: string, options: ClientOptions = {}): Socket {
	const { transport = 'websocket', agent = new Agent({ keepAlive: false }), headers, reconnection = false } = options;
	const client = io(url, {
		transports: transport === 'upgrade' ? ['polling', 'websocket'] : [transport],
		forceNew: true,
		reconnection,
		reconnectionDelay: 100,
		reconnectionDelayMax: 1000,
		timeout: ACK_TIMEOUT_MS,
		// Declared for browsers, where it must be a boolean; in Node it is handed on to `http.request`.
		agent: agent as unknown as boolean,
		...(headers === undefined ? {} : { extraHeaders: headers }),
	});
	t.after(() => {
		client.disconnect();
	});
	return client;
}

/** Connected, and upgraded if it is to upgrade. */
export async function connectClient(t: Scope, url: string, options: ClientOptions = {}): Promise<Socket> {
	const client = createClient(t, url, options);
	let failure: Error | undefined;
	client.on('connect_error', (error) => {
		failure = error;
	});
	await waitFor(`a ${options.transport ?? 'websocket'} client to connect`, () => {
		if (failure && options.reconnection !== true) {
			throw new Error(`connect_error: ${failure.message}`, { cause: failure });
		}
		return client.connected && (options.transport !== 'upgrade' || client.io.engine.transport.name === 'websocket');
	});
	return client;
}

/** Emits and resolves to what the server answers. */
export async function ask<T>(client: Socket, event: string, ...args: readonly unknown[]): Promise<T> {
	return (await client.timeout(ACK_TIMEOUT_MS).emitWithAck(event, ...args)) as T;
}

export function askWhere(client: Socket): Promise<Where> {
	return ask<Where>(client, 'where');
}

export interface HttpAnswer {
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly body: string;
}

/** One HTTP request; over a connection of its own unless an agent is given. Rejects when the connection fails. */
export function send(url: string, options: RequestOptions = {}, body?: Buffer | string): Promise<HttpAnswer> {
	return new Promise((resolve, reject) => {
		const call: ClientRequest = request(url, { agent: false, ...options }, (res) => {
			const chunks: Buffer[] = [];
			res.on('data', (chunk: Buffer) => chunks.push(chunk));
			res.on('error', reject);
			res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks).toString() }));
		});
		call.on('error', reject);
		call.end(body);
	});
}

/** Opens an Engine.IO session by polling; resolves to its id. It ends when the server notices that nobody polls. */
export async function openSession(url: string, options: RequestOptions = {}): Promise<string> {
	const { status, body } = await send(pollingUrl(url), options);
	if (status !== 200) {
		throw new Error(`handshake answered ${status}: ${body}`);
	}
	const { sid } = JSON.parse(body.slice(1)) as { sid: string };
	return sid;
}

export function pollingUrl(url: string, sid?: string): string {
	return `${url}/socket.io/?EIO=4&transport=polling${sid === undefined ? '' : `&sid=${sid}`}`;
}
