/** Waiting with a limit. */
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from './errors.ts';

/** Resolves like `work`, or rejects with ERR_DEADLINE after `ms`; `work` itself is not stopped. */
export async function withDeadline<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
	const timer = new AbortController();
	const late = delay(ms, undefined, { signal: timer.signal }).then(
		() => {
			throw new AppError('ERR_DEADLINE', `${what} took longer than ${ms} ms`);
		},
		() => new Promise<never>(() => {}),
	);
	try {
		return await Promise.race([work, late]);
	} finally {
		timer.abort();
	}
}

/** Sleeps, or returns early (without throwing) when `signal` aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
	await delay(ms, undefined, signal ? { signal } : {}).catch((error: unknown) => {
		if (!signal?.aborted) {
			throw error;
		}
	});
}
