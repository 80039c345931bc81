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

/** What a pod is made of, besides what all have. */
export interface PodKind {
	/** Another entry point than the sources', as that of another version. */
	readonly cli?: string;
	readonly options?: Place['options'];
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
	/** They come as they are listed; by default the seed decides. */
	readonly isInOrder?: boolean;
	/** Of the pods that are there at first, and of those that take the place of one that was killed. */
	readonly kind?: PodKind;
}

/** What the disturbances work on. */
export interface Stage {
	readonly pods: Pod[];
	readonly random: () => number;
	readonly published: Published;
	/** Of the balancer. */
	readonly url: string;
	/** As a roll-out does it: starts a pod, then has the oldest one drain. */
	rollOut(kind: PodKind): Promise<void>;
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
	readonly #kind: PodKind;
	readonly #balancer: Balancer;
	readonly #crowd: Crowd;
	#disturbed = 0;

	private constructor(t: Scope, place: Place, { seed, size, kind = {} }: LedgerPlan, balancer: Balancer) {
		this.#t = t;
		this.#place = place;
		this.#seed = seed;
		this.#kind = kind;
		this.#balancer = balancer;
		this.random = createRandom(seed);
		this.#crowd = new Crowd(t, { ...size, url: balancer.url, source: place.source, seed, random: this.random, rooms: ROOMS, pace: PACE });
	}

	static async open(t: Scope, place: Place, plan: LedgerPlan): Promise<Ledger> {
		const balancer = await startBalancer(t);
		const ledger = new Ledger(t, place, plan, balancer);
		ledger.pods.push(...(await Promise.all(Array.from({ length: plan.size.pods }, () => ledger.#startPod(ledger.#kind)))));
		ledger.#openBalancer();
		return ledger;
	}

	get published(): Published {
		return this.#crowd.published;
	}

	get url(): string {
		return this.#balancer.url;
	}

	async run({ messages, disturbances, isInOrder = false }: LedgerPlan): Promise<void> {
		const crowd = this.#crowd;
		await crowd.everyoneHears('the beginning');
		crowd.start();
		const interruptions = crowd.interrupt();
		do {
			const names = Object.keys(disturbances);
			for (const name of isInOrder ? names : this.#shuffled(names)) {
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

	async rollOut(kind: PodKind): Promise<void> {
		this.pods.push(await this.#startPod(kind));
		const oldest = this.pods.shift();
		this.#openBalancer();
		oldest?.kill('SIGTERM');
		await oldest?.exited;
	}

	async replacePod(end: (victim: Pod) => Promise<void>): Promise<void> {
		const victim = this.pods.shift();
		assert.ok(victim);
		await end(victim);
		this.#openBalancer();
		this.pods.push(await this.#startPod(this.#kind));
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

	#startPod({ options, ...kind }: PodKind): Promise<Pod> {
		return startPod(this.#t, { app: LEDGER_APP, ...kind, options: { ...this.#place.options, recoveryWindowMs: 120_000, ...options } });
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
