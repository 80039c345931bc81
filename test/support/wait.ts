/** Waiting for a state, with a deadline and the name of what was waited for. */
import { setTimeout as delay } from 'node:timers/promises';

/** Whole seconds, for a diagnostic. */
export function secondsSince(startedAtMs: number): number {
	return Math.round((Date.now() - startedAtMs) / 1000);
}

/** Thrown by a probe: what is waited for can't come any more. */
export class GiveUp extends Error {}

export interface WaitOptions {
	readonly timeoutMs?: number;
	readonly everyMs?: number;
}

type Probe<T> = () => T | undefined | false | null | Promise<T | undefined | false | null>;

/** Resolves with what `probe` gives once it is neither undefined, null nor false. What `probe` throws counts as "not yet", but for GiveUp. */
export async function waitFor<T>(what: string, probe: Probe<T>, { timeoutMs = 30_000, everyMs = 25 }: WaitOptions = {}): Promise<T> {
	const deadline = Date.now() + timeoutMs;
	let last: unknown;
	for (;;) {
		try {
			const value = await probe();
			if (value !== undefined && value !== null && value !== false) {
				return value;
			}
			last = value;
		} catch (error) {
			if (error instanceof GiveUp) {
				throw error;
			}
			last = error;
		}
		if (Date.now() > deadline) {
			throw new Error(`waited ${timeoutMs} ms for ${what}; last seen: ${last instanceof Error ? last.message : String(last)}`, {
				cause: last,
			});
		}
		await delay(everyMs);
	}
}
