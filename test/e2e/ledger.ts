/** Who was sent what, and who has it: a crowd of clients that keep themselves connected, and one that publishes to them. */
import type { Socket } from 'socket.io-client';
import { waitFor } from '../support/wait.ts';
import { type ClientOptions, connected, createClient } from './clients.ts';

const ROOM = 'crowd';
const SETTLE = { timeoutMs: 120_000, everyMs: 250 };
const OPEN_AT_ONCE = 30;

interface Member {
	readonly socket: Socket;
	readonly seen: Map<number, number>;
	/** Short id of the pod that it first came to. */
	pod: string;
	/** The first id that was published when it had joined. */
	firstId: number;
	/** Reconnects at which the server said `recovered`, and at which it did not. */
	recovered: number;
	refused: number;
	disconnectedAt: number | undefined;
	/** When it left the pod that it first came to. */
	leftAt: number | undefined;
}

export interface Sum {
	readonly clients: number;
	readonly acknowledged: number;
	/** Published with no answer: sent or not, nobody knows. Neither lost nor there. */
	readonly unanswered: number;
	readonly reconnects: number;
	readonly recovered: number;
	/** Reconnects at which a client was told that it has missed something. */
	readonly refused: number;
	/** Acknowledged messages that a client which was never refused does not have. */
	readonly lost: number;
	/** Who lost them, a sentence each. */
	readonly losers: readonly string[];
	/** The same of clients that were told. */
	readonly lostAndTold: number;
	readonly repeated: number;
	readonly connectErrors: number;
	readonly reconnectP50Ms: number;
	readonly reconnectP99Ms: number;
}

export class Crowd {
	readonly #url: string;
	readonly #options: ClientOptions;
	readonly #members: Member[] = [];
	readonly #acknowledged = new Set<number>();
	readonly #gapsMs: number[] = [];
	#connectErrors = 0;
	#unanswered = 0;
	#next = 1;
	#publisher: Socket | undefined;
	#publishing: Promise<void> | undefined;
	#stopped = false;

	/** `path`: of the Socket.IO endpoint. */
	constructor(url: string, path = '/socket.io/') {
		this.#url = url;
		this.#options = { reconnection: true, path };
	}

	async open(clients: number): Promise<void> {
		for (let opened = 0; opened < clients; opened += OPEN_AT_ONCE) {
			await Promise.all(Array.from({ length: Math.min(OPEN_AT_ONCE, clients - opened) }, () => this.#addMember()));
		}
	}

	async #addMember(): Promise<void> {
		const socket = createClient(this.#url, 'websocket', this.#options);
		const member: Member = {
			socket,
			seen: new Map(),
			pod: '',
			firstId: 0,
			recovered: 0,
			refused: 0,
			disconnectedAt: undefined,
			leftAt: undefined,
		};
		this.#members.push(member);
		socket.on('message', (id: number) => member.seen.set(id, (member.seen.get(id) ?? 0) + 1));
		member.pod = (await connected(socket)).pod;
		socket.off('disconnect');
		socket.off('connect_error');
		await socket.timeout(60_000).emitWithAck('join', ROOM);
		member.firstId = this.#next;
		socket.on('disconnect', () => {
			member.disconnectedAt = Date.now();
			member.leftAt ??= member.disconnectedAt;
		});
		socket.io.on('error', () => {
			this.#connectErrors++;
		});
		socket.on('connect', () => this.#onReconnect(member));
	}

	#onReconnect(member: Member): void {
		this.#gapsMs.push(Date.now() - (member.disconnectedAt ?? Date.now()));
		member.disconnectedAt = undefined;
		if (member.socket.recovered) {
			member.recovered++;
		} else {
			member.refused++;
			// Joins again as an application would; an answer that a reconnect cuts off is asked for at the next one.
			member.socket.timeout(60_000).emit('join', ROOM, () => undefined);
		}
	}

	/**
	 * Publishes at this rate until `settle`, from a client on a pod that `suits`: one that dies takes its publisher along for a while.
	 * An id counts as sent once the server has acknowledged it.
	 */
	async publish(perSecond: number, suits: (pod: string) => boolean = () => true): Promise<void> {
		const socket = await waitFor(
			'a publisher on a pod that suits',
			async () => {
				this.#publisher?.disconnect();
				this.#publisher = createClient(this.#url, 'websocket', this.#options);
				const { pod } = await connected(this.#publisher);
				return suits(pod) && this.#publisher;
			},
			SETTLE,
		);
		socket.off('disconnect');
		this.#publishing = this.#publishLoop(socket, 1000 / perSecond);
	}

	async #publishLoop(socket: Socket, everyMs: number): Promise<void> {
		const startedAt = Date.now();
		const pending: Promise<void>[] = [];
		while (!this.#stopped) {
			const id = this.#next++;
			const dueAt = startedAt + id * everyMs;
			await new Promise((resolve) => setTimeout(resolve, Math.max(1, dueAt - Date.now())));
			if (socket.connected) {
				pending.push(this.#publishOne(socket, id));
			}
		}
		await Promise.all(pending);
	}

	async #publishOne(socket: Socket, id: number): Promise<void> {
		try {
			await socket.timeout(20_000).emitWithAck('publish', ROOM, id);
			this.#acknowledged.add(id);
		} catch {
			this.#unanswered++;
		}
	}

	/** Messages that were acknowledged so far. */
	acknowledged(): number {
		return this.#acknowledged.size;
	}

	/** Cuts the last clients' connections; they come back by themselves. */
	cut(clients: number): void {
		for (const { socket } of this.#members.slice(-clients)) {
			socket.io.engine.close();
		}
	}

	/** Cuts the first clients' connections and keeps them away; the function brings them back and resolves to how many were recovered. */
	leave(clients: number): () => Promise<number> {
		const away = this.#members.slice(0, clients);
		for (const { socket } of away) {
			socket.io.reconnection(false);
			socket.io.engine.close();
		}
		return async () => {
			const recovered = await Promise.all(away.map((member) => comeBack(member)));
			return recovered.filter(Boolean).length;
		};
	}

	/** Sockets that are connected now. */
	connected(): number {
		return this.#members.filter(({ socket }) => socket.connected).length;
	}

	/** Pods that clients first came to. */
	pods(): number {
		return new Set(this.#members.map(({ pod }) => pod)).size;
	}

	/** When clients left the pod that they had first come to, in ms, ascending; one list for each of these pods. */
	departures(): number[][] {
		const byPod = Map.groupBy(this.#members, ({ pod }) => pod);
		return [...byPod.values()].map((members) => members.flatMap(({ leftAt }) => leftAt ?? []).toSorted((a, b) => a - b));
	}

	/** Reconnects so far. */
	reconnects(): number {
		return this.#members.reduce((sum, { recovered, refused }) => sum + recovered + refused, 0);
	}

	/** Stops publishing, waits until every client is back and nothing more arrives, and counts. */
	async settle(): Promise<Sum> {
		this.#stopped = true;
		await this.#publishing;
		await waitFor('every client to be back', () => this.connected() === this.#members.length, SETTLE);
		await this.#quiet();
		return this.#sum();
	}

	/** Two looks, two seconds apart, with the same number of messages: what is on its way is there. */
	async #quiet(): Promise<void> {
		let before = -1;
		await waitFor(
			'messages to stop arriving',
			() => {
				const now = this.#members.reduce((sum, { seen }) => sum + seen.size, 0);
				const still = now === before;
				before = now;
				return still;
			},
			{ ...SETTLE, everyMs: 2000 },
		);
	}

	#sum(): Sum {
		const missed = ({ seen, firstId }: Member): number[] => [...this.#acknowledged].filter((id) => id >= firstId && !seen.has(id));
		const missing = (member: Member): number => missed(member).length;
		const total = (members: readonly Member[], count: (member: Member) => number): number =>
			members.reduce((sum, member) => sum + count(member), 0);
		const told = this.#members.filter(({ refused }) => refused > 0);
		const neverTold = this.#members.filter(({ refused }) => refused === 0);
		const gaps = this.#gapsMs.toSorted((a, b) => a - b);
		return {
			clients: this.#members.length,
			acknowledged: this.#acknowledged.size,
			unanswered: this.#unanswered,
			reconnects: this.reconnects(),
			recovered: total(this.#members, ({ recovered }) => recovered),
			refused: total(this.#members, ({ refused }) => refused),
			lost: total(neverTold, missing),
			losers: neverTold.filter(missing).map((member) => {
				const { pod, firstId, recovered } = member;
				const ids = missed(member);
				return `first on pod ${pod} from ${firstId} on, recovered ${recovered} times: ${ids.length} from ${ids[0]} to ${ids.at(-1)}`;
			}),
			lostAndTold: total(told, missing),
			repeated: total(this.#members, ({ seen }) => [...seen.values()].reduce((sum, times) => sum + times - 1, 0)),
			connectErrors: this.#connectErrors,
			reconnectP50Ms: gaps[Math.floor(gaps.length * 0.5)] ?? 0,
			reconnectP99Ms: gaps[Math.floor(gaps.length * 0.99)] ?? 0,
		};
	}

	close(): void {
		this.#stopped = true;
		for (const { socket } of this.#members) {
			socket.disconnect();
		}
		this.#publisher?.disconnect();
	}
}

/** Resolves to what the server says: is it recovered? */
async function comeBack(member: Member): Promise<boolean> {
	const { socket } = member;
	const back = new Promise<void>((resolve) => {
		socket.once('connect', resolve);
	});
	member.disconnectedAt = Date.now();
	socket.io.reconnection(true);
	socket.connect();
	await back;
	return socket.recovered;
}
