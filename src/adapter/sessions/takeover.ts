/** Asks another worker to let go of a client that has come back here while its old connection still counts as alive. */
import { randomUUID } from 'node:crypto';
import { messageOf } from '../../base/errors.ts';
import type { Closable } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';
import type { RedisHandle } from '../../redis/client.ts';
import type { RedisKeys } from '../../redis/keys.ts';
import { countSubscribers, type Subscriptions } from '../../redis/subscriptions.ts';
import { parsePayload } from '../payload.ts';

export interface TakeoverDeps {
	readonly redis: RedisHandle;
	readonly keys: RedisKeys;
	readonly subscriptions: Subscriptions;
	readonly log: Logger;
	/** Id under which this worker owns sessions. */
	readonly worker: string;
	/** Ends the old connection and saves the session; resolves when Redis has it. */
	release(pid: string): Promise<void>;
}

type ControlMessage =
	| { readonly kind: 'release'; readonly id: string; readonly pid: string; readonly from: string }
	| { readonly kind: 'released'; readonly id: string };

/** A frozen owner does not answer; its leftovers are refused by Redis when it wakes up. */
const ANSWER_TIMEOUT_MS = 1000;

export class Takeover implements Closable {
	readonly #deps: TakeoverDeps;
	readonly #waiting = new Map<string, () => void>();

	constructor(deps: TakeoverDeps) {
		this.#deps = deps;
		deps.subscriptions.add(deps.keys.control(deps.worker), (payload) => this.#onMessage(payload));
	}

	/** Resolves when the owner has let go, is gone, does not answer, or is this worker. Rejects when Redis does not take the question. */
	async ask(owner: string, pid: string): Promise<void> {
		if (owner === this.#deps.worker) {
			return;
		}
		const id = randomUUID();
		const answered = new Promise<void>((resolve) => {
			const timer = setTimeout(resolve, ANSWER_TIMEOUT_MS);
			this.#waiting.set(id, () => {
				clearTimeout(timer);
				resolve();
			});
		});
		try {
			const listeners = await this.#send(owner, { kind: 'release', id, pid, from: this.#deps.worker });
			if (listeners === 0) {
				void this.#endWithoutOwner(owner, id);
			}
			await answered;
		} finally {
			this.#waiting.get(id)?.();
			this.#waiting.delete(id);
		}
	}

	close(): void {
		this.#deps.subscriptions.remove(this.#deps.keys.control(this.#deps.worker));
	}

	/** The number that PUBLISH gives is that of one node, which in a Cluster says nothing about the others. */
	async #endWithoutOwner(owner: string, id: string): Promise<void> {
		const { redis, keys, log } = this.#deps;
		const channel = keys.control(owner);
		try {
			if (!redis.commands.isCluster || !(await countSubscribers(redis.commands, [channel])).get(channel)) {
				this.#waiting.get(id)?.();
			}
		} catch (error) {
			log.debug({ err: messageOf(error) }, 'whether the owner of a session is there could not be told; its answer is waited for');
		}
	}

	#send(worker: string, message: ControlMessage): Promise<number> {
		return this.#deps.redis.commands.publish(this.#deps.keys.control(worker), JSON.stringify(message));
	}

	#onMessage(payload: Buffer): void {
		const message = parseControl(payload);
		if (message?.kind === 'released') {
			this.#waiting.get(message.id)?.();
		} else if (message?.kind === 'release') {
			this.#deps
				.release(message.pid)
				.then(() => this.#send(message.from, { kind: 'released', id: message.id }))
				.catch((error: unknown) => {
					this.#deps.log.debug({ err: messageOf(error) }, 'a session could not be handed over; the other side goes on without an answer');
				});
		}
	}
}

function parseControl(payload: Buffer): ControlMessage | undefined {
	const { kind, id, pid, from } = parsePayload(payload) ?? {};
	if (typeof id !== 'string') {
		return undefined;
	}
	if (kind === 'released') {
		return { kind, id };
	}
	return kind === 'release' && typeof pid === 'string' && typeof from === 'string' ? { kind, id, pid, from } : undefined;
}
