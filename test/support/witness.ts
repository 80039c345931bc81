/** A real client that writes down every event it gets. */
import { io, type Socket } from 'socket.io-client';
import type { Scope } from './redis-server.ts';
import { waitFor } from './wait.ts';

export interface WitnessOptions {
	readonly namespace?: string;
	/** Told to the server when connecting, see fixtures/emit-app.ts. */
	readonly rooms?: readonly string[];
	/** Reconnects by itself. Default false. */
	readonly reconnects?: boolean;
}

export interface Witness {
	readonly socket: Socket;
	/** Events in order, each `[name, ...args]`, without the offset that recovery appends. */
	readonly events: unknown[][];
	has(name: string): boolean;
	/** Forgets what it got so far. */
	clear(): void;
}

const OFFSET = /^\d+-\d+$/;

export async function connectWitness(t: Scope, url: string, options: WitnessOptions = {}): Promise<Witness> {
	const { namespace = '/', rooms = [], reconnects = false } = options;
	const socket = io(url + (namespace === '/' ? '' : namespace), {
		transports: ['websocket'],
		forceNew: true,
		reconnection: reconnects,
		auth: { rooms },
	});
	t.after(() => {
		socket.disconnect();
	});
	const events: unknown[][] = [];
	socket.onAny((name: string, ...args: unknown[]) => {
		const last = args.at(-1);
		events.push([name, ...(typeof last === 'string' && OFFSET.test(last) ? args.slice(0, -1) : args)]);
	});
	await waitFor('a client to connect', () => socket.connected);
	return {
		socket,
		events,
		has: (name) => events.some(([first]) => first === name),
		clear: () => void events.splice(0),
	};
}
