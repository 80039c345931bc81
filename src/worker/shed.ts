/** Closes some of the sessions so that their clients come back elsewhere; the worker goes on serving. */
import { sleep } from '../base/deadline.ts';
import type { ShedMessage } from '../ipc/messages.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { Engine } from './engine.ts';

export interface ShedOptions extends Pick<ShedMessage, 'count' | 'spreadMs' | 'reason'> {
	readonly engine: Pick<Engine, 'clients'>;
	readonly metrics: Metrics;
	/** Ends it early: the worker drains. */
	readonly signal: AbortSignal;
	readonly random?: () => number;
}

/**
 * Evenly over `spreadMs`, the longest connected first: those that came last were perhaps just moved here. `conn.close()` of the engine,
 * after which the stock client comes back by itself and is recovered. Resolves to the number that was closed.
 */
export async function shedSessions({
	engine,
	metrics,
	count,
	spreadMs,
	reason,
	signal,
	random = Math.random,
}: ShedOptions): Promise<number> {
	const chosen = Object.keys(engine.clients).slice(0, count);
	const startedAt = Date.now();
	let closed = 0;
	for (const [index, id] of chosen.entries()) {
		const dueAt = startedAt + ((index + random()) / chosen.length) * spreadMs;
		if (dueAt - Date.now() > 1) {
			await sleep(dueAt - Date.now(), signal);
		}
		if (signal.aborted) {
			return closed;
		}
		const session = engine.clients[id];
		if (session) {
			session.close();
			closed++;
			metrics.inc('socketfleet_shed_connections_total', { reason });
		}
	}
	return closed;
}
