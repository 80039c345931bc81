/**
 * Leader election by a Lease, after client-go: whoever holds it renews it; whoever wants it waits until it has seen it unchanged for its
 * whole duration by its own clock, so that clocks need not agree. https://pkg.go.dev/k8s.io/client-go/tools/leaderelection
 */
import { sleep, withDeadline } from '../base/deadline.ts';
import { messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { KubeClient } from './client.ts';
import { isFailure } from './errors.ts';
import { apiVersionOf, type KubeObject, type ObjectRef, pick, pickNumber, RESOURCES } from './object.ts';

export interface LeaseOptions {
	readonly client: KubeClient;
	readonly lease: ObjectRef;
	/** Unique to this process. */
	readonly identity: string;
	readonly log: Logger;
	readonly onAcquired: () => void;
	/** Another may begin at any moment: end at once, as by leaving the process. Not called on `close()`. */
	readonly onLost: () => void;
	readonly timing?: LeaseTiming;
}

export interface LeaseTiming {
	/** How long others wait after the last renewal. */
	readonly durationMs: number;
	/** A holder that could not renew for so long gives up. Below the duration. */
	readonly renewDeadlineMs: number;
	readonly retryMs: number;
}

const TIMING: LeaseTiming = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 };

export class LeaseElection implements Closable {
	readonly #options: LeaseOptions;
	readonly #timing: LeaseTiming;
	readonly #stopped = new AbortController();
	/** The record as last seen, and when it was first seen so. */
	#observed: { readonly text: string; readonly at: number } = { text: '', at: 0 };
	#leads = false;
	#renewedAt = 0;
	#running: Promise<void> | undefined;

	constructor(options: LeaseOptions) {
		this.#options = options;
		this.#timing = options.timing ?? TIMING;
	}

	get leads(): boolean {
		return this.#leads;
	}

	start(): void {
		this.#running ??= this.#run();
	}

	/** Gives the Lease up, so that the next one need not wait. */
	async close(): Promise<void> {
		this.#stopped.abort();
		await this.#running;
	}

	async #run(): Promise<void> {
		const { signal } = this.#stopped;
		const { log, lease, onAcquired, onLost } = this.#options;
		while (!signal.aborted) {
			const holds = await this.#attempt();
			if (holds && !this.#leads) {
				this.#leads = true;
				log.info({ lease: lease.name }, 'leading');
				onAcquired();
			} else if (this.#leads && (holds === false || this.#remainingMs() <= 0)) {
				this.#leads = false;
				log.error({ lease: lease.name, holds: holds ?? 'no answer' }, 'no longer leading');
				onLost();
			}
			await sleep(this.#timing.retryMs, signal);
		}
		if (this.#leads) {
			this.#leads = false;
			await this.#release();
		}
	}

	/** Until a holder must give up. */
	#remainingMs(): number {
		return this.#renewedAt + this.#timing.renewDeadlineMs - Date.now();
	}

	/** Whether this process holds the Lease now; undefined when nobody knows. */
	async #attempt(): Promise<boolean | undefined> {
		const { lease, log } = this.#options;
		const startedAt = Date.now();
		const limitMs = this.#leads ? Math.max(1, this.#remainingMs()) : this.#timing.renewDeadlineMs;
		try {
			const holds = await withDeadline(this.#takeOrRenew(), limitMs, 'renewing the Lease');
			if (holds) {
				this.#renewedAt = startedAt;
			}
			return holds;
		} catch (error) {
			if (isFailure(error, 'conflict', 'already-exists')) {
				// Someone was faster: what they wrote is judged at the next try.
				return this.#leads ? undefined : false;
			}
			log.warn({ lease: lease.name, err: messageOf(error) }, 'the Lease could not be read or written');
			return undefined;
		}
	}

	async #takeOrRenew(): Promise<boolean> {
		const { client, lease } = this.#options;
		const current = await client.get(RESOURCES.Lease, lease);
		if (!current) {
			await client.create(RESOURCES.Lease, this.#fresh());
			return true;
		}
		if (!this.#mayTake(current)) {
			return false;
		}
		await client.replace(RESOURCES.Lease, { ...current, spec: this.#spec(current) });
		return true;
	}

	#mayTake(current: KubeObject): boolean {
		const holder = pick(current, 'spec', 'holderIdentity');
		const text = `${String(holder)} ${String(pick(current, 'spec', 'renewTime'))}`;
		if (text !== this.#observed.text) {
			this.#observed = { text, at: Date.now() };
		}
		if (holder === this.#options.identity || holder === '' || holder === undefined) {
			return true;
		}
		const durationMs = pickNumber(current, ['spec', 'leaseDurationSeconds'], this.#timing.durationMs / 1000) * 1000;
		return Date.now() - this.#observed.at > durationMs;
	}

	#fresh(): KubeObject {
		const { namespace, name } = this.#options.lease;
		return { apiVersion: apiVersionOf(RESOURCES.Lease), kind: 'Lease', metadata: { namespace, name }, spec: this.#spec(undefined) };
	}

	#spec(current: KubeObject | undefined): object {
		const { identity } = this.#options;
		const now = microTime(new Date());
		const before = pick(current, 'spec', 'holderIdentity');
		const transitions = pickNumber(current, ['spec', 'leaseTransitions']);
		const acquireTime = pick(current, 'spec', 'acquireTime');
		const stays = before === identity;
		return {
			holderIdentity: identity,
			leaseDurationSeconds: Math.max(1, Math.round(this.#timing.durationMs / 1000)),
			acquireTime: stays && typeof acquireTime === 'string' ? acquireTime : now,
			renewTime: now,
			leaseTransitions: stays || current === undefined ? transitions : transitions + 1,
		};
	}

	async #release(): Promise<void> {
		const { client, lease, identity, log } = this.#options;
		try {
			const current = await client.get(RESOURCES.Lease, lease);
			if (current && pick(current, 'spec', 'holderIdentity') === identity) {
				const spec = { ...(current.spec as object), holderIdentity: '', renewTime: microTime(new Date()), leaseDurationSeconds: 1 };
				await client.replace(RESOURCES.Lease, { ...current, spec });
			}
		} catch (error) {
			log.warn({ lease: lease.name, err: messageOf(error) }, 'the Lease was not given up; it runs out by itself');
		}
	}
}

/** metav1.MicroTime. */
function microTime(date: Date): string {
	return date.toISOString().replace('Z', '000Z');
}
