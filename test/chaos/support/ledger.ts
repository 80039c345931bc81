/** The ledger: a fleet of pods with a crowd around it, and what happens to them. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { OptionKey } from '../../../src/config/schema.ts';
import type { RedisSource } from '../../../src/redis/writer-client.ts';
import { createRandom } from '../../support/fuzz.ts';
import { type Pod, startPod } from '../../support/pod.ts';
import type { Scope } from '../../support/redis-server.ts';
import { waitFor } from '../../support/wait.ts';
import { type Balancer, startBalancer } from './balancer.ts';
import { Crowd } from './crowd.ts';
import type { Published } from './published.ts';

export const LEDGER_APP = fileURLToPath(new URL('ledger-app.ts', import.meta.url));
/** After each disturbance. */
const RECOVERIES = 8;
const ROOMS = { halls: 6, booths: 4 };
const PACE = { everyMs: 120, rooms: 4 };
const WAIT = { timeoutMs: 90_000, everyMs: 50 };

/** Where the fleet and the writers find Redis. */
export interface Place {
	readonly options: Partial<Record<OptionKey, unknown>>;
	readonly source: RedisSource;
}

export type Disturbances = Readonly<Record<string, (stage: Stage) => Promise<void>>>;

/** How much of each there is. */
export interface FleetSize {
	readonly pods: number;
	readonly steady: number;
	readonly movers: number;
}

export interface LedgerPlan {
	readonly seed: number;
	/** Rounds go on until that many messages are acknowledged: those of the writers by Redis, those of the clients by a worker. */
	readonly messages: number;
	readonly size: FleetSize;
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
	const ledger = await Ledger.open(t, place, plan);
	await ledger.run(plan);
	return `${ledger.summary()}; as the pods that are left counted: ${await ledger.reasons()}`;
}

class Ledger implements Stage {
	readonly pods: Pod[] = [];
	readonly random: () => number;
	readonly #t: Scope;
	readonly #place: Place;
	readonly #seed: number;
	readonly #balancer: Balancer;
	readonly #crowd: Crowd;
	#disturbed = 0;

	private constructor(t: Scope, place: Place, { seed, size }: LedgerPlan, balancer: Balancer) {
		this.#t = t;
		this.#place = place;
		this.#seed = seed;
		this.#balancer = balancer;
		this.random = createRandom(seed);
		this.#crowd = new Crowd(t, { ...size, url: balancer.url, source: place.source, seed, random: this.random, rooms: ROOMS, pace: PACE });
	}

	static async open(t: Scope, place: Place, plan: LedgerPlan): Promise<Ledger> {
		const balancer = await startBalancer(t);
		const ledger = new Ledger(t, place, plan, balancer);
		ledger.pods.push(...(await Promise.all(Array.from({ length: plan.size.pods }, () => ledger.#startPod()))));
		ledger.#openBalancer();
		return ledger;
	}

	get published(): Published {
		return this.#crowd.published;
	}

	async run({ messages, disturbances }: LedgerPlan): Promise<void> {
		const crowd = this.#crowd;
		await crowd.everyoneHears('the beginning');
		crowd.start();
		const interruptions = crowd.interrupt();
		do {
			for (const name of this.#shuffled(Object.keys(disturbances))) {
				await this.#disturb(name, disturbances[name]);
			}
		} while (crowd.acknowledged < messages);
		await crowd.stop();
		await interruptions;
	}

	summary(): string {
		return `seed ${this.#seed}, ${this.#disturbed} disturbances: ${this.#crowd.summary()}`;
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
		const before = this.published.written;
		await waitFor(`${count} more messages to be written`, () => this.published.written >= before + count, WAIT);
	}

	/** After it every client hears again, has been told if something is missing for it, and clients recover again. */
	async #disturb(name: string, happen: Disturbances[string] | undefined): Promise<void> {
		const crowd = this.#crowd;
		const mark = `${name}, disturbance ${++this.#disturbed}`;
		crowd.note(mark);
		await happen?.(this);
		crowd.note(`${mark} is over`);
		await crowd.everyoneHears(mark);
		await crowd.whileNobodyIsWronged(`${mark}: clients to be told`, () => crowd.listeners.every(({ account }) => !account.isOwing()));
		const before = crowd.recoveries;
		await crowd.whileNobodyIsWronged(`${mark}: recoveries`, () => crowd.recoveries >= before + RECOVERIES);
		crowd.judge((account) => account.breaches());
	}

	#startPod(): Promise<Pod> {
		return startPod(this.#t, { app: LEDGER_APP, options: { ...this.#place.options, recoveryWindowMs: 120_000 } });
	}

	#openBalancer(): void {
		this.#balancer.setTargets(this.pods.map(({ ports }) => ports.public));
	}

	#shuffled<T>(items: readonly T[]): T[] {
		return items
			.map((item) => ({ item, place: this.random() }))
			.sort((a, b) => a.place - b.place)
			.map(({ item }) => item);
	}
}
