/** node:test runs `after` hooks in the order they were given; what was started last must often end first. */
import type { Scope } from './redis-server.ts';

/** A scope of its own inside `t`: its cleanups run in reverse. */
export function lastFirst(t: Scope): Scope {
	const cleanups: (() => void | Promise<void>)[] = [];
	t.after(async () => {
		for (const cleanup of cleanups.reverse()) {
			await cleanup();
		}
	});
	return { after: (cleanup) => void cleanups.push(cleanup) };
}
