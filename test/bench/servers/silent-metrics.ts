/** Stands in for the modules that measure: the same exports, and nothing is counted. */
import { Registry } from 'prom-client';
import type { Closable } from '../../../src/base/lifecycle.ts';
import type { Metrics } from '../../../src/metrics/registry.ts';

export function createMetrics(): Metrics {
	return {
		inc: () => undefined,
		tally: () => () => undefined,
		set: () => undefined,
		observe: () => undefined,
		totals: (names) => Promise.resolve(names.map(() => 0)),
		onSnapshot: () => undefined,
		app: new Registry(),
		snapshot: () => Promise.resolve({ own: [], app: [] }),
	};
}

export function watchRuntime(): Closable {
	return { close: () => undefined };
}

export const countSessions = (): void => undefined;
