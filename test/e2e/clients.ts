/** Stock clients on this machine, through Traefik. */
import { io, type Socket } from 'socket.io-client';
import { waitFor } from '../support/wait.ts';

export type Way = 'polling' | 'upgrade' | 'websocket';
export const WAYS: readonly Way[] = ['polling', 'upgrade', 'websocket'];

const TRANSPORTS: Record<Way, string[]> = {
	polling: ['polling'],
	upgrade: ['polling', 'websocket'],
	websocket: ['websocket'],
};

export interface Place {
	readonly pod: string;
	readonly worker: number;
}

export interface ClientOptions {
	/** Keep the ingress's cookie, as a browser on the same site does. Without, a client is like a mobile or cross-site one. */
	readonly cookies?: boolean;
	readonly reconnection?: boolean;
	/** Of the Socket.IO endpoint. */
	readonly path?: string;
}

export function createClient(url: string, way: Way, options: ClientOptions = {}): Socket {
	const { cookies = false, reconnection = false, path = '/socket.io/' } = options;
	return io(url, {
		path,
		transports: TRANSPORTS[way],
		forceNew: true,
		withCredentials: cookies,
		reconnection,
		reconnectionDelay: 250,
		reconnectionDelayMax: 2000,
		timeout: 20_000,
	});
}

/** Resolves when it is connected and has heard where it is; rejects with what went wrong. */
export function connected(socket: Socket): Promise<Place> {
	return new Promise((resolve, reject) => {
		socket.once('hello', resolve);
		socket.once('connect_error', (error) => reject(describe(error)));
		socket.once('disconnect', (reason) => reject(new Error(`disconnected: ${reason}`)));
	});
}

/** Engine.IO puts what the server answered beside the message. */
function describe(error: Error & { context?: { responseText?: string }; description?: string | number | Error }): Error {
	const answer = error.context?.responseText ?? error.description ?? '';
	return new Error(`${error.message}: ${answer instanceof Error ? answer.message : answer}`, { cause: error });
}

/** One whole session: connect, upgrade if that is the way, two questions with answers, close. */
export async function runSession(url: string, way: Way, options: ClientOptions): Promise<Place> {
	const socket = createClient(url, way, options);
	try {
		const lost = new Promise<never>((_resolve, reject) => {
			socket.once('disconnect', (reason) => reject(new Error(`disconnected: ${reason}`)));
		});
		lost.catch(() => undefined);
		const place = await connected(socket);
		if (way === 'upgrade') {
			await waitFor('the upgrade', () => socket.io.engine.transport.name === 'websocket', { timeoutMs: 60_000 });
		}
		for (let round = 0; round < 2; round++) {
			await Promise.race([socket.timeout(60_000).emitWithAck('where'), lost]);
		}
		return place;
	} finally {
		socket.off('disconnect');
		socket.disconnect();
	}
}
