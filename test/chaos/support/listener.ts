/** A stock client that keeps an account of what it hears, and speaks. */
import { io as connect, type Socket } from 'socket.io-client';
import { parseOffset } from '../../../src/stream/offset.ts';
import type { Scope } from '../../support/redis-server.ts';
import type { Account } from './account.ts';
import type { Numbered, Published } from './published.ts';

export interface Listener {
	readonly socket: Socket;
	readonly account: Account;
	/** Says the next thing; resolves to the worker that sent it on and the number that it gave it. */
	say(room: string): Promise<Numbered>;
}

export interface ListenerOptions {
	readonly url: string;
	readonly account: Account;
	readonly published: Published;
	readonly said: Said;
	/** What it says it tries again until it is answered; else `say` rejects when the connection breaks. */
	readonly insists: boolean;
}

/** Far more than an answer takes while everything else is up. */
export const ANSWER_TIMEOUT_MS = 30_000;

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

export function openListener(t: Scope, { url, account, published, said, insists }: ListenerOptions): Listener {
	const socket = connect(url, {
		transports: ['websocket'],
		forceNew: true,
		reconnectionDelay: 50,
		reconnectionDelayMax: 500,
		auth: { rooms: account.declared },
		...(insists ? { retries: 100_000, ackTimeout: 3000 } : {}),
	});
	t.after(() => void socket.disconnect());
	socket.on('connect', () => account.onConnect(socket.recovered));
	socket.on('disconnect', (reason) => account.history.add(`disconnected: ${reason}`));
	socket.on('written', (room: string, sender: string, number: number, offset: unknown) =>
		account.onMessage({ room, sender, number, offset: parseOffset(offset) }),
	);
	socket.on('said', (room: string, sender: string, number: number, what: string, offset: unknown) => {
		said.onHeard(what, sender, number);
		account.onMessage({ room, sender, number, offset: parseOffset(offset) });
	});
	socket.on('mark', (_mark: string, text: unknown) => {
		const offset = parseOffset(text);
		if (offset) {
			account.onOffset(offset);
		}
	});
	let numbers = 0;
	return {
		socket,
		account,
		say: async (room) => {
			const begun = published.now();
			const speaker = insists ? socket : socket.timeout(ANSWER_TIMEOUT_MS);
			const answer: unknown = await speaker.emitWithAck('say', room, `${account.name} ${++numbers}`);
			const [sender, number] = answer as [string, number];
			said.acknowledged++;
			published.say({ room, sender, number }, begun);
			return { room, sender, number };
		},
	};
}
