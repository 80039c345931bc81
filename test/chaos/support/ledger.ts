/** The ledger: a fleet of two pods, writers outside of it and listeners that lose their connections all the time. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { OptionKey } from '../../../src/config/schema.ts';
import { createEmitter, type Emitter } from '../../../src/emit/emitter.ts';
import type { RedisSource } from '../../../src/redis/writer-client.ts';
import { parseOffset } from '../../../src/stream/offset.ts';
import { createRandom } from '../../support/fuzz.ts';
import { type Pod, startPod } from '../../support/pod.ts';
import type { Scope } from '../../support/redis-server.ts';
import { waitFor } from '../../support/wait.ts';
import { Account, Published } from './account.ts';
import { type Balancer, startBalancer } from './balancer.ts';
import { type Listener, openListener, Said } from './listener.ts';

const APP = fileURLToPath(new URL('ledger-app.ts', import.meta.url));
const LISTENERS = 16;
const ROOMS = ['red', 'green', 'blue'] as const;
/** 400 messages a second from outside, and about 150 from the clients: what two cores carry with all the processes on them. */
const BURST = 10;
const BURST_EVERY_MS = 25;
const SAY_EVERY_MS = 100;
const WAIT = { timeoutMs: 90_000, everyMs: 50 };

/** Where the fleet and the writers find Redis. */
export interface Place {
	readonly options: Partial<Record<OptionKey, unknown>>;
	readonly source: RedisSource;
}

export type Disturbances = Readonly<Record<string, (stage: Stage) => Promise<void>>>;

export interface LedgerPlan {
	readonly seed: number;
	/** Rounds go on until that many messages are acknowledged: those of the writers by Redis, those of the clients by a worker. */
	readonly messages: number;
	readonly disturbances: Disturbances;
}

/** What the disturbances work on. */
export interface Stage {
	readonly pods: Pod[];
	readonly random: () => number;
	readonly published: Published;
	/** Ends a pod that is taken out of the balancer, and starts another. */
	replacePod(end: (victim: Pod) => Promise<void>): Promise<void>;
	/** Resolves when the writers have been told of that many more. */
	moreWritten(count: number): Promise<void>;
}

/** Runs the plan and says what came of it; rejects with the seed and the history of the first client to whom a promise was broken. */
export async function keepLedger(t: Scope, place: Place, plan: LedgerPlan): Promise<string> {
	const ledger = await Ledger.open(t, place, plan.seed);
	await ledger.run(plan);
	return `${ledger.summary()}; as the pods that are left counted: ${await ledger.reasons()}`;
}

class Ledger implements Stage {
	readonly pods: Pod[] = [];
	readonly published = new Published();
	readonly random: () => number;
	readonly #t: Scope;
	readonly #place: Place;
	readonly #seed: number;
	readonly #balancer: Balancer;
	readonly #emitter: Emitter;
	readonly #listeners: Listener[] = [];
	readonly #said = new Said();
	readonly #numbers = new Map<string, number>();
	#unanswered = 0;
	#disturbed = 0;
	#stopped = false;

	private constructor(t: Scope, place: Place, seed: number, balancer: Balancer) {
		this.#t = t;
		this.#place = place;
		this.#seed = seed;
		this.#balancer = balancer;
		this.random = createRandom(seed);
		this.#emitter = createEmitter({ redis: place.source, timeoutMs: 2000, onError: () => undefined });
		t.after(() => this.#emitter.close());
	}

	static async open(t: Scope, place: Place, seed: number): Promise<Ledger> {
		const ledger = new Ledger(t, place, seed, await startBalancer(t));
		ledger.pods.push(...(await Promise.all([ledger.#startPod(), ledger.#startPod()])));
		ledger.#openBalancer();
		for (const room of ROOMS) {
			ledger.published.addWriter(writerOf(room));
		}
		for (let i = 0; i < LISTENERS; i++) {
			const rooms = ROOMS.filter((_room, r) => (i + r) % 3 !== 0);
			ledger.#listeners.push(openListener(t, ledger.#balancer.url, new Account(`listener ${i}`, rooms), ledger.#said));
		}
		t.after(() => {
			ledger.#stopped = true;
		});
		return ledger;
	}

	async run({ messages, disturbances }: LedgerPlan): Promise<void> {
		await this.#everyoneHears('the beginning');
		const traffic = [this.#write(), this.#interrupt(), ...this.#listeners.map((listener) => this.#speak(listener))];
		do {
			for (const name of this.#shuffled(Object.keys(disturbances))) {
				await this.#disturb(name, disturbances[name]);
			}
		} while (this.#acknowledged < messages);
		this.#stopped = true;
		await Promise.all(traffic);
		await this.#lastWords();
		this.#judge((account) => account.finalBreaches(this.published));
	}

	summary(): string {
		const sum = (of: (account: Account) => number): number => this.#listeners.reduce((total, { account }) => total + of(account), 0);
		return [
			`seed ${this.#seed}, ${this.#disturbed} disturbances: ${this.#acknowledged} messages acknowledged`,
			`(${this.published.messages.length} written, ${this.#said.acknowledged} said), ${sum(({ counts }) => counts.heard)} deliveries,`,
			`${sum(({ counts }) => counts.recovered)} times recovered, ${sum(({ counts }) => counts.refused)} times told that something is missing;`,
			`writers got no answer for ${this.#unanswered}; of what clients said ${this.#said.repeated} arrived more than once`,
		].join(' ');
	}

	/** Why clients were told, as far as the pods that are still there know. */
	async reasons(): Promise<string> {
		const sums = new Map<string, number>();
		for (const pod of this.pods) {
			for (const [, reason = '', count] of (await pod.metrics()).matchAll(/^socketfleet_recovery_total\{.*reason="(\w+)".*\} (\d+)$/gm)) {
				sums.set(reason, (sums.get(reason) ?? 0) + Number(count));
			}
		}
		return [...sums].map(([reason, count]) => `${reason} ${count}`).join(', ');
	}

	async replacePod(end: (victim: Pod) => Promise<void>): Promise<void> {
		const victim = this.pods.shift();
		assert.ok(victim);
		await end(victim);
		this.#openBalancer();
		this.pods.push(await this.#startPod());
		this.#openBalancer();
	}

	async moreWritten(count: number): Promise<void> {
		const before = this.published.messages.length;
		await waitFor(`${count} more messages to be written`, () => this.published.messages.length >= before + count, WAIT);
	}

	get #acknowledged(): number {
		return this.published.messages.length + this.#said.acknowledged;
	}

	/** After it every client hears again, has been told if something is missing for it, and clients recover again. */
	async #disturb(name: string, happen: Disturbances[string] | undefined): Promise<void> {
		const mark = `${name}, disturbance ${++this.#disturbed}`;
		this.#note(mark);
		await happen?.(this);
		this.#note(`${mark} is over`);
		await this.#everyoneHears(mark);
		await this.#whileNobodyIsWronged(`${mark}: clients to be told`, () =>
			this.#listeners.every(({ account }) => !account.isOwing(this.published)),
		);
		const before = this.#recoveries;
		await this.#whileNobodyIsWronged(`${mark}: recoveries`, () => this.#recoveries >= before + LISTENERS / 2);
		this.#judge((account) => account.breaches(this.published));
	}

	get #recoveries(): number {
		return this.#listeners.reduce((sum, { account }) => sum + account.counts.recovered, 0);
	}

	async #whileNobodyIsWronged(what: string, isSo: () => boolean): Promise<void> {
		try {
			await waitFor(what, isSo, WAIT);
		} catch (error) {
			this.#judge((account) => account.finalBreaches(this.published));
			throw error;
		}
	}

	#judge(breachesOf: (account: Account) => readonly { readonly sentence: string; readonly at: number }[]): void {
		for (const { account } of this.#listeners) {
			const [first, ...others] = breachesOf(account);
			if (first) {
				const told = `seed ${this.#seed}, ${account.name} in ${account.rooms.join(' and ')}: ${first.sentence}`;
				assert.fail(`${told}; ${others.length} more of this client\n${account.history.around(first.at)}\n${this.summary()}`);
			}
		}
	}

	#note(what: string): void {
		for (const { account } of this.#listeners) {
			account.history.add(`-- ${what}`);
		}
	}

	#startPod(): Promise<Pod> {
		return startPod(this.#t, { app: APP, options: { ...this.#place.options, recoveryWindowMs: 120_000 } });
	}

	#openBalancer(): void {
		this.#balancer.setTargets(this.pods.map(({ ports }) => ports.public));
	}

	/** From outside: what Redis acknowledged must not be lost. */
	async #write(): Promise<void> {
		while (!this.#stopped) {
			await Promise.all([delay(BURST_EVERY_MS), ...Array.from({ length: BURST }, () => this.#writeOne(this.#pick(ROOMS)))]);
		}
	}

	async #writeOne(room: string): Promise<void> {
		const sender = writerOf(room);
		const number = (this.#numbers.get(sender) ?? 0) + 1;
		this.#numbers.set(sender, number);
		try {
			const id = parseOffset((await this.#emitter.to(room).emit('written', sender, number)).id);
			assert.ok(id);
			this.published.add({ id, room, sender, number });
		} catch {
			// Not acknowledged: it may be there or not, and nobody was promised anything.
			this.#unanswered++;
		}
	}

	async #speak({ account, say }: Listener): Promise<void> {
		while (!this.#stopped) {
			await say(this.#pick(account.rooms));
			await delay(this.random() * 2 * SAY_EVERY_MS);
		}
	}

	/** Clients lose their connections all the time. */
	async #interrupt(): Promise<void> {
		while (!this.#stopped) {
			const { socket, account } = this.#pick(this.#listeners);
			account.history.add('the network breaks');
			socket.io.engine?.close();
			await delay(100 + this.random() * 200);
		}
	}

	/** Every client is connected and hears what is written now: the fault is over for all of them. */
	async #everyoneHears(mark: string): Promise<void> {
		const heard = new Set<Listener>();
		const stops = this.#listeners.map((listener) => {
			const onMark = (text: string): void => void (text === mark && heard.add(listener));
			listener.socket.on('mark', onMark);
			return () => listener.socket.off('mark', onMark);
		});
		await this.#whileNobodyIsWronged(`everyone to hear of ${mark}`, () => {
			void this.#emitter.emit('mark', mark);
			return heard.size === this.#listeners.length;
		});
		for (const stop of stops) {
			stop();
		}
	}

	/** Everyone who is still there sends one more thing, so that what it sent before shows if it is missing. */
	async #lastWords(): Promise<void> {
		const told = new Map(this.#listeners.map(({ account }) => [account, account.counts.refused]));
		await Promise.all(ROOMS.map((room) => this.#writeOne(room)));
		const said = await Promise.all(
			this.#listeners.flatMap(({ account, say }) => account.rooms.map(async (room) => ({ room, ...(await say(room)) }))),
		);
		const words = [...ROOMS.flatMap((room) => this.published.messages.findLast((message) => message.room === room) ?? []), ...said];
		await this.#whileNobodyIsWronged('the last words', () =>
			this.#listeners.every(
				({ account }) =>
					account.counts.refused > (told.get(account) ?? 0) ||
					words.every(({ sender, number, room }) => account.lastOf(sender) >= number || !account.rooms.includes(room)),
			),
		);
	}

	#shuffled<T>(items: readonly T[]): T[] {
		return items
			.map((item) => ({ item, place: this.random() }))
			.sort((a, b) => a.place - b.place)
			.map(({ item }) => item);
	}

	#pick<T>(items: readonly T[]): T {
		const item = items[Math.floor(this.random() * items.length)];
		assert.ok(item !== undefined);
		return item;
	}
}

function writerOf(room: string): string {
	return `writer to ${room}`;
}
