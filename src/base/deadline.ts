/** Waiting with a limit. */
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from './errors.ts';

/** Settles like `work`, or rejects with ERR_DEADLINE after `ms`; `work` itself is not stopped. */
export function withDeadline<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(() => reject(new AppError('ERR_DEADLINE', `${what} took longer than ${ms} ms`)), ms);
		work.finally(() => clearTimeout(timer)).then(resolve, reject);
	});
}

/** Sleeps, or returns early (without throwing) when `signal` aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
	try {
		await delay(ms, undefined, signal ? { signal } : {});
	} catch (error) {
		if (!signal?.aborted) {
			throw error;
		}
	}
}

/** Time, as far as something paced needs it; tests give their own. */
export interface Clock {
	/** Milliseconds. */
	now(): number;
	sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const SYSTEM_CLOCK: Clock = { now: Date.now, sleep };
