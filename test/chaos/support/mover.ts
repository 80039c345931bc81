/**
 * A client that joins and leaves rooms all the time: by asking for it, several at once, with a leave on the heels of a join and the other
 * way round; or because another client has it moved. What it knows of its own rooms it keeps in its account.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isAfter, parseOffset, type StreamOffset } from '../../../src/stream/offset.ts';
import type { Account } from './account.ts';
import type { Move } from './ledger-app.ts';
import { ANSWER_TIMEOUT_MS, type Listener } from './listener.ts';
import type { Numbered } from './published.ts';

/** What is around a mover. */
export interface Surroundings {
	readonly random: () => number;
	/** A room that this client is out of. */
	pickRoom(account: Account): string;
	/** Any client that is connected and can be asked. */
	pickMover(): Mover | undefined;
	/** From outside of the fleet, by a writer of this client's. Resolves to where it is, if it is there. */
	write(account: Account, room: string): Promise<StreamOffset | undefined>;
}

export interface MoverPace {
	/** Between two moves, on average. */
	readonly everyMs: number;
	/** About as many rooms it is in. */
	readonly rooms: number;
}

const PASS_TIMEOUT_MS = 1000;
const MOVED_TIMEOUT_MS = 5000;

export class Mover {
	readonly listener: Listener;
	readonly #around: Surroundings;
	readonly #pace: MoverPace;
	/** Moves that others were asked for and that have not shown yet. */
	readonly #pending = new Map<string, { readonly rooms: readonly string[]; readonly isJoin: boolean }>();
	/** Rooms that it was moved into before Redis had the move: that may come once more, and finds the client by an id that it may keep. */
	readonly #unlogged = new Set<string>();
	#id: string | undefined;
	#isSettled = false;
	#moves = 0;

	constructor(listener: Listener, around: Surroundings, pace: MoverPace) {
		this.listener = listener;
		this.#around = around;
		this.#pace = pace;
		const { socket } = listener;
		socket.on('connect', () => this.#settle(socket.recovered));
		socket.on('disconnect', () => {
			this.#isSettled = false;
		});
		socket.on('moved', (token: string, receipts: readonly [string, string, number][], offset: unknown) =>
			this.#onMoved(
				token,
				receipts.map(([room, sender, number]) => ({ room, sender, number })),
				parseOffset(offset),
			),
		);
	}

	/** Connected, and its rooms are known. */
	get isSettled(): boolean {
		return this.listener.socket.connected && this.#isSettled;
	}

	async run(isOver: () => boolean): Promise<void> {
		while (!isOver()) {
			if (this.isSettled) {
				await this.#step();
			}
			await delay(this.#around.random() * 2 * this.#pace.everyMs);
		}
	}

	/** Has that client moved, from the worker that this one is connected to. */
	async move(id: string, move: Move, token: string): Promise<void> {
		await this.#ask('move', [id, move, token], () => undefined);
	}

	get #account(): Account {
		return this.listener.account;
	}

	#step(): Promise<void> {
		const own = this.#account.roomsThatAre('in').filter((room) => !this.#account.declared.includes(room));
		const isJoin = this.#around.random() < (own.length < this.#pace.rooms ? 0.7 : 0.3) || own.length === 0;
		const rooms = isJoin ? this.#pickNew() : this.#pickOf(own);
		const dice = this.#around.random();
		if (dice < 0.2) {
			return this.#beMoved(rooms, isJoin);
		}
		if (dice < 0.3) {
			return isJoin ? this.#lookIn(rooms) : this.#stepOut(rooms);
		}
		return isJoin ? this.#join(rooms) : this.#leave(rooms);
	}

	#pickNew(): string[] {
		const count = this.#around.random() < 0.7 ? 1 : 3;
		return [...new Set(Array.from({ length: count }, () => this.#around.pickRoom(this.#account)))];
	}

	#pickOf(rooms: readonly string[]): string[] {
		const start = Math.floor(this.#around.random() * rooms.length);
		return rooms.slice(start, start + (this.#around.random() < 0.7 ? 1 : 2));
	}

	async #join(rooms: readonly string[]): Promise<void> {
		this.#writeSometimes(rooms);
		this.#account.onJoining(rooms);
		await this.#ask('join', [rooms], () => this.#onJoined(rooms));
	}

	async #leave(rooms: readonly string[]): Promise<void> {
		if (this.#around.random() < 0.5) {
			await this.#hearLastOf(rooms);
		}
		if (this.isSettled) {
			this.#account.onLeaving(rooms);
			await this.#ask('leave', [rooms], () => this.#account.onLeft(rooms));
			this.#writeSometimes(rooms);
		}
	}

	/** It leaves again before it knows that it is in. */
	async #lookIn(rooms: readonly string[]): Promise<void> {
		this.#account.onJoining(rooms);
		const joined = this.#ask('join', [rooms], () => undefined);
		this.#writeSometimes(rooms);
		this.#account.onLeaving(rooms);
		await Promise.all([joined, this.#ask('leave', [rooms], () => this.#account.onLeft(rooms))]);
	}

	/** It comes back before it knows that it is out. */
	async #stepOut(rooms: readonly string[]): Promise<void> {
		this.#account.onLeaving(rooms);
		const left = this.#ask('leave', [rooms], () => undefined);
		this.#writeSometimes(rooms);
		this.#account.onJoining(rooms);
		await Promise.all([left, this.#ask('join', [rooms], () => this.#onJoined(rooms))]);
	}

	/** By `socketsJoin` or `socketsLeave` on the worker of another client. */
	async #beMoved(rooms: readonly string[], isJoin: boolean): Promise<void> {
		const { id } = this.listener.socket;
		const mover = this.#around.pickMover();
		if (mover === undefined || id === undefined) {
			return;
		}
		const token = `${this.#account.name} move ${++this.#moves}`;
		this.#pending.set(token, { rooms, isJoin });
		if (isJoin) {
			this.#account.onJoining(rooms, true);
		} else {
			this.#account.onLeaving(rooms, true);
		}
		await mover.move(id, isJoin ? { join: rooms } : { leave: rooms }, token);
		await this.#until(() => !this.#pending.has(token), MOVED_TIMEOUT_MS);
	}

	#onMoved(token: string, receipts: readonly Numbered[], offset: StreamOffset | undefined): void {
		if (offset) {
			this.#account.onOffset(offset);
		}
		const move = this.#pending.get(token);
		if (move === undefined) {
			return;
		}
		this.#pending.delete(token);
		if (move.isJoin && offset === undefined) {
			for (const room of move.rooms) {
				this.#unlogged.add(room);
			}
		}
		for (const receipt of receipts) {
			this.#account.onOwed(receipt);
		}
		if (move.isJoin) {
			this.#onJoined(move.rooms);
		} else {
			this.#account.onLeft(move.rooms);
		}
	}

	/** What is written in the same moment is owed. */
	#onJoined(rooms: readonly string[]): void {
		this.#account.onJoined(rooms);
		this.#writeSometimes(rooms);
	}

	#writeSometimes(rooms: readonly string[]): void {
		for (const room of rooms) {
			if (this.#around.random() < 0.5) {
				void this.#around.write(this.#account, room);
			}
		}
	}

	/** So that what was written last before a leave is owed. */
	async #hearLastOf(rooms: readonly string[]): Promise<void> {
		const ids = await Promise.all(rooms.map((room) => this.#around.write(this.#account, room)));
		const isPassed = (id: StreamOffset | undefined): boolean => id === undefined || !isAfter(id, this.#account.lastOffset ?? id);
		await this.#until(() => ids.every(isPassed), PASS_TIMEOUT_MS);
	}

	/** A client that was told begins anew; one that was recovered asks where it is. */
	#settle(recovered: boolean): void {
		const before = this.#id;
		this.#id = this.listener.socket.id;
		if (!recovered) {
			this.#beginAnew(this.#id === before);
			this.#isSettled = true;
			return;
		}
		void this.#ask('rooms', [], (rooms) => {
			this.#account.onRooms(rooms as string[]);
			for (const [token, move] of this.#pending) {
				if (!move.rooms.some((room) => ['joining', 'leaving'].includes(this.#account.membershipOf(room)))) {
					this.#pending.delete(token);
				}
			}
			this.#isSettled = true;
		});
	}

	/** A session that is given up late leaves its id to the client, and moves that are on their way to that id find it. */
	#beginAnew(hasSameId: boolean): void {
		if (!hasSameId) {
			this.#pending.clear();
			this.#unlogged.clear();
		}
		if (this.#unlogged.size > 0) {
			this.#account.onJoining([...this.#unlogged], true);
		}
		for (const { rooms, isJoin } of this.#pending.values()) {
			if (isJoin) {
				this.#account.onJoining(rooms, true);
			} else {
				this.#account.onLeaving(rooms, true);
			}
		}
	}

	/** `onAnswer` runs before anything that follows the answer is heard. Without an answer the connection is broken, or the promise is. */
	#ask(event: string, args: readonly unknown[], onAnswer: (answer: unknown) => void): Promise<void> {
		const { socket } = this.listener;
		return new Promise((resolve) => {
			socket.timeout(ANSWER_TIMEOUT_MS).emit(event, ...args, (error: Error | null, answer: unknown) => {
				if (!error) {
					onAnswer(answer);
				} else if (socket.connected) {
					this.#account.onBreach(`"${event}" was not answered within ${ANSWER_TIMEOUT_MS} ms`);
				}
				resolve();
			});
		});
	}

	async #until(isSo: () => boolean, timeoutMs: number): Promise<void> {
		const deadline = performance.now() + timeoutMs;
		while (!isSo() && this.isSettled && performance.now() < deadline) {
			await delay(5);
		}
	}
}
