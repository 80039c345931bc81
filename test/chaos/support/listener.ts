/** A stock client that keeps an account of what it hears, and speaks with `retries`. */
import { io as connect, type Socket } from 'socket.io-client';
import { parseOffset } from '../../../src/stream/offset.ts';
import type { Scope } from '../../support/redis-server.ts';
import type { Account } from './account.ts';

export interface Listener {
	readonly socket: Socket;
	readonly account: Account;
	/** Says the next thing; resolves to the worker that sent it on and the number that it gave it, however often it must be tried. */
	say(room: string): Promise<{ readonly sender: string; readonly number: number }>;
}

/** What clients said: each thing has a client and a number of its own. */
export class Said {
	acknowledged = 0;
	readonly #arrivals = new Map<string, Set<string>>();

	onHeard(what: string, sender: string, number: number): void {
		const arrivals = this.#arrivals.get(what);
		if (arrivals) {
			arrivals.add(`${sender} ${number}`);
		} else {
			this.#arrivals.set(what, new Set([`${sender} ${number}`]));
		}
	}

	/** The client did not know that it had arrived, and said it again. */
	get repeated(): number {
		return [...this.#arrivals.values()].filter(({ size }) => size > 1).length;
	}
}

export function openListener(t: Scope, url: string, account: Account, said: Said): Listener {
	const socket = connect(url, {
		transports: ['websocket'],
		forceNew: true,
		reconnectionDelay: 50,
		reconnectionDelayMax: 500,
		retries: 100_000,
		ackTimeout: 3000,
		auth: { rooms: account.rooms },
	});
	t.after(() => void socket.disconnect());
	socket.on('connect', () => account.onConnect(socket.recovered));
	socket.on('disconnect', (reason) => account.history.add(`disconnected: ${reason}`));
	socket.on('written', (sender: string, number: number, offset: unknown) =>
		account.onMessage({ sender, number, offset: parseOffset(offset) }),
	);
	socket.on('said', (sender: string, number: number, what: string, offset: unknown) => {
		said.onHeard(what, sender, number);
		account.onMessage({ sender, number, offset: parseOffset(offset) });
	});
	let numbers = 0;
	return {
		socket,
		account,
		say: async (room) => {
			const [sender, number] = (await socket.emitWithAck('say', room, `${account.name} ${++numbers}`)) as [string, number];
			said.acknowledged++;
			return { sender, number };
		},
	};
}
