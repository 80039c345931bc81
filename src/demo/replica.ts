/**
 * Fleet state that every worker holds whole: the drawing, the counter, the last messages. Changes travel as small states of the
 * same shape, and merging is commutative and idempotent (a CRDT), so order, repetition and late joiners do no harm. Workers compare
 * digests now and then and fetch what they lack: that is how a new worker learns the past, and how pods agree again after Redis was away.
 */
import type { Demo } from './demo.ts';
import { every, throttle } from './timing.ts';

const DIGEST_INTERVAL_MS = 10_000;
const MIN_PULL_INTERVAL_MS = 1000;
/** While changes are on their way digests differ for no reason; only a calm difference means that something was missed. */
const CALM_MS = 2000;

export interface Mergeable<S> {
	state(): S;
	/** Equal digests mean equal states. */
	digest(): string;
	/** Takes in a whole state or a small one. */
	merge(state: S): void;
}

export interface Replica<S> {
	/** Sends a change that was already made here to all other workers. */
	share(change: S): void;
}

export function createReplica<S>(demo: Demo, name: string, data: Mergeable<S>): Replica<S> {
	const { io, log, signal } = demo;
	let synced = false;
	let changedAt = 0;

	const announce = throttle(MIN_PULL_INTERVAL_MS, () => io.serverSideEmit(`${name}:digest`, data.digest()));
	const pull = throttle(MIN_PULL_INTERVAL_MS, () => {
		io.serverSideEmit(`${name}:pull`, (error: Error | null, states: S[]) => {
			if (error) {
				log.warn({ replica: name, err: error.message, answers: states.length }, 'some workers did not send their state');
			}
			synced ||= states.length > 0;
			for (const state of states) {
				data.merge(state);
			}
		});
	});

	io.on(`${name}:merge`, (change: S) => {
		changedAt = Date.now();
		data.merge(change);
	});
	io.on(`${name}:pull`, (reply: (state: S) => void) => reply(data.state()));
	io.on(`${name}:digest`, (theirs: string) => {
		const calm = Date.now() - changedAt > CALM_MS;
		if (theirs !== data.digest() && (calm || !synced)) {
			pull();
			announce(); // The other side may be the one that lacks something.
		}
	});
	every(DIGEST_INTERVAL_MS, signal, announce);
	announce();

	return {
		share(change) {
			changedAt = Date.now();
			io.serverSideEmit(`${name}:merge`, change);
		},
	};
}
