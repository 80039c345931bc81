/** Who is around a fleet: writers outside of it, listeners that stay in their rooms and movers that do not. Judges what they were promised. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../src/base/errors.ts';
import { createEmitter, type Emitter } from '../../../src/emit/emitter.ts';
import type { RedisSource } from '../../../src/redis/writer-client.ts';
import { parseOffset, type StreamOffset } from '../../../src/stream/offset.ts';
import type { Scope } from '../../support/redis-server.ts';
import { waitFor } from '../../support/wait.ts';
import { Account, type Breach } from './account.ts';
import { type Listener, openListener, Said } from './listener.ts';
import { Mover, type MoverPace, type Surroundings } from './mover.ts';
import { Published } from './published.ts';
import { type RoomCounts, RoomPool } from './room-pool.ts';

const ROOMS = ['red', 'green', 'blue'] as const;
/** 400 messages a second from outside, and about as many from the clients: what two cores carry with all the processes on them. */
const BURST = 10;
const BURST_EVERY_MS = 25;
const SAY_EVERY_MS = 100;
/** A mover hears less of the others, and so says less. */
const MOVER_SAYS_EVERY_MS = 300;
const WAIT = { timeoutMs: 90_000, everyMs: 50 };

export interface CrowdPlan {
	readonly url: string;
	/** Where the writers find Redis. */
	readonly source: RedisSource;
	readonly seed: number;
	readonly random: () => number;
	/** Clients that stay in the rooms that they declare. */
	readonly steady: number;
	/** Clients that declare one room, and join and leave others. */
	readonly movers: number;
	readonly rooms: RoomCounts;
	readonly pace: MoverPace;
}

export class Crowd {
	readonly published = new Published();
	readonly listeners: readonly Listener[];
	readonly #plan: CrowdPlan;
	readonly #emitter: Emitter;
	readonly #movers: readonly Mover[];
	readonly #said = new Said();
	readonly #numbers = new Map<string, number>();
	/** Writers of movers that have no answer yet. */
	readonly #waiting = new Set<string>();
	#traffic: readonly Promise<void>[] = [];
	#unanswered = 0;
	#stopped = false;

	constructor(t: Scope, plan: CrowdPlan) {
		this.#plan = plan;
		this.#emitter = createEmitter({ redis: plan.source, timeoutMs: 2000, onError: () => undefined });
		t.after(() => this.#emitter.close());
		const { published } = this;
		const open = (name: string, declared: readonly string[], insists: boolean): Listener =>
			openListener(t, { url: plan.url, account: new Account(name, declared, published), published, said: this.#said, insists });
		const steady = Array.from({ length: plan.steady }, (_, i) =>
			open(
				`listener ${i}`,
				ROOMS.filter((_room, r) => (i + r) % 3 !== 0),
				true,
			),
		);
		const moving = Array.from({ length: plan.movers }, (_, i) => open(`mover ${i}`, [ROOMS[i % 3] ?? 'red'], false));
		const around = this.#surroundings(moving, new RoomPool(plan.rooms, plan.random));
		this.#movers = moving.map((listener) => new Mover(listener, around, plan.pace));
		this.listeners = [...steady, ...moving];
		t.after(() => {
			this.#stopped = true;
		});
	}

	/** Messages that their senders may count on: those of the writers were taken by Redis, those of the clients by a worker. */
	get acknowledged(): number {
		return this.published.written + this.#said.acknowledged;
	}

	/** Joins and leaves that were answered. */
	get moves(): number {
		return this.#sum(({ counts }) => counts.joined + counts.left);
	}

	get recoveries(): number {
		return this.#sum(({ counts }) => counts.recovered);
	}

	start(): void {
		const isOver = (): boolean => this.#stopped;
		const moving = new Set(this.#movers.map(({ listener }) => listener));
		this.#traffic = [
			this.#writeAll(),
			...this.#movers.map((mover) => mover.run(isOver)),
			...this.listeners.map((listener) => this.#speak(listener, moving.has(listener) ? MOVER_SAYS_EVERY_MS : SAY_EVERY_MS)),
		];
	}

	/** Clients lose their connections all the time, each about every five seconds. */
	async interrupt(): Promise<void> {
		const meanMs = 5000 / this.listeners.length;
		while (!this.#stopped) {
			// One that is closed while it opens tells nobody, and the client would wait for its timeout of 20 s.
			const open = this.listeners.filter(({ socket }) => socket.io.engine?.readyState === 'open');
			if (open.length > 0) {
				const { socket, account } = this.#pick(open);
				account.history.add('the network breaks');
				socket.io.engine?.close();
			}
			await delay((0.5 + this.#plan.random()) * meanMs);
		}
	}

	/** Nobody says or moves anything more; what was said before shows if it is missing. */
	async stop(): Promise<void> {
		this.#stopped = true;
		await Promise.all(this.#traffic);
		await this.#lastWords();
		this.judge((account) => account.finalBreaches());
	}

	/** Every client is connected and hears what is written now: the fault is over for all of them. */
	async everyoneHears(mark: string): Promise<void> {
		const heard = new Set<Listener>();
		const stops = this.listeners.map((listener) => {
			const onMark = (text: string): void => void (text === mark && heard.add(listener));
			listener.socket.on('mark', onMark);
			return () => listener.socket.off('mark', onMark);
		});
		try {
			await this.whileNobodyIsWronged(`everyone to hear of ${mark}`, () => {
				void this.#emitter.emit('mark', mark);
				return heard.size === this.listeners.length;
			});
		} catch (error) {
			const deaf = this.listeners.filter((listener) => !heard.has(listener));
			const [first] = deaf.map(({ account }) => account);
			const whose = `${deaf.length} do not hear, as ${first?.name}:\n${first?.history.around(first.history.length - 1)}`;
			throw new Error(`seed ${this.#plan.seed}, ${messageOf(error)}; ${whose}`, { cause: error });
		}
		for (const stop of stops) {
			stop();
		}
	}

	async whileNobodyIsWronged(what: string, isSo: () => boolean): Promise<void> {
		try {
			await waitFor(what, isSo, WAIT);
		} catch (error) {
			this.judge((account) => account.finalBreaches());
			throw error;
		}
	}

	judge(breachesOf: (account: Account) => readonly Breach[]): void {
		for (const { account } of this.listeners) {
			const [first, ...others] = breachesOf(account);
			if (first) {
				const told = `seed ${this.#plan.seed}, ${account.name} in ${account.roomsThatAre('in').join(' and ')}: ${first.sentence}`;
				assert.fail(`${told}; ${others.length} more of this client\n${account.history.around(first.at)}\n${this.summary()}`);
			}
		}
	}

	note(what: string): void {
		for (const { account } of this.listeners) {
			account.history.add(`-- ${what}`);
		}
	}

	summary(): string {
		return [
			`${this.acknowledged} messages acknowledged (${this.published.written} written, ${this.#said.acknowledged} said),`,
			`${this.#sum(({ counts }) => counts.heard)} deliveries, ${this.moves} joins and leaves,`,
			`${this.recoveries} times recovered, ${this.#sum(({ counts }) => counts.refused)} times told that something is missing;`,
			`writers got no answer for ${this.#unanswered}; of what clients said ${this.#said.repeated} arrived more than once`,
		].join(' ');
	}

	#surroundings(moving: readonly Listener[], pool: RoomPool): Surroundings {
		const accounts = moving.map(({ account }) => account);
		return {
			random: this.#plan.random,
			pickRoom: (account) => pool.pick(account, accounts),
			pickMover: () => {
				const settled = this.#movers.filter(({ isSettled }) => isSettled);
				return settled.length > 0 ? this.#pick(settled) : undefined;
			},
			write: (account, room) => this.#writeAlone(`${account.name}'s writer`, room),
		};
	}

	/** From outside: what Redis acknowledged must not be lost. Half of it is for rooms that somebody goes to or comes from. */
	async #writeAll(): Promise<void> {
		while (!this.#stopped) {
			await Promise.all([delay(BURST_EVERY_MS), ...Array.from({ length: BURST }, () => this.#writeOne(this.#pickTarget()))]);
		}
	}

	#pickTarget(): string {
		const visited = this.#movers.length > 0 && this.#plan.random() < 0.5 ? this.#pick(this.#movers).listener.account : undefined;
		const rooms = visited?.roomsThatAre('in', 'joining', 'leaving') ?? [];
		return this.#pick(rooms.length > 0 ? rooms : ROOMS);
	}

	/** Nothing while it waits for an answer: what is under way at once may be tried again, and then has no order. */
	async #writeAlone(writer: string, room: string): Promise<StreamOffset | undefined> {
		const sender = `${writer} to ${room}`;
		if (this.#waiting.has(sender)) {
			return undefined;
		}
		this.#waiting.add(sender);
		const id = await this.#writeOne(room, writer);
		this.#waiting.delete(sender);
		return id;
	}

	async #writeOne(room: string, writer = 'writer'): Promise<StreamOffset | undefined> {
		const sender = `${writer} to ${room}`;
		const number = (this.#numbers.get(sender) ?? 0) + 1;
		this.#numbers.set(sender, number);
		this.published.begin({ room, sender, number });
		try {
			const id = parseOffset((await this.#emitter.to(room).emit('written', room, sender, number)).id);
			assert.ok(id);
			this.published.acknowledge({ room, sender, number }, id);
			return id;
		} catch {
			// Not acknowledged: it may be there or not, and nobody was promised anything.
			this.#unanswered++;
			return undefined;
		}
	}

	async #speak({ socket, account, say }: Listener, everyMs: number): Promise<void> {
		while (!this.#stopped) {
			const [own] = account.declared;
			const rooms = account.declared.length > 1 ? account.declared : [this.#pickTarget(), own ?? 'red'];
			if (account.declared.length > 1) {
				await say(this.#pick(rooms));
			} else if (socket.connected) {
				// It does not insist: the connection may break before the answer.
				await say(this.#pick(rooms)).catch(() => undefined);
			}
			await delay(this.#plan.random() * 2 * everyMs);
		}
	}

	/** One more thing in each room that someone is in, from everyone who sent something there before. */
	async #lastWords(): Promise<void> {
		const told = new Map(this.listeners.map(({ account }) => [account, account.counts.refused]));
		const rooms = [...new Set(this.listeners.flatMap(({ account }) => account.roomsThatAre('in')))];
		await Promise.all(rooms.map((room) => this.#writeOne(room)));
		const words = (
			await Promise.all(
				this.listeners.flatMap(({ account, say }) => account.roomsThatAre('in').map((room) => say(room).catch(() => undefined))),
			)
		).filter((word) => word !== undefined);
		await this.whileNobodyIsWronged('the last words', () =>
			this.listeners.every(
				({ account }) =>
					account.counts.refused > (told.get(account) ?? 0) ||
					words.every(({ sender, number, room }) => account.lastOf(sender) >= number || account.membershipOf(room) !== 'in'),
			),
		);
	}

	#sum(of: (account: Account) => number): number {
		return this.listeners.reduce((total, { account }) => total + of(account), 0);
	}

	#pick<T>(items: readonly T[]): T {
		const item = items[Math.floor(this.#plan.random() * items.length)];
		assert.ok(item !== undefined);
		return item;
	}
}
