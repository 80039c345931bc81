/** What a worker does, in a few numbers: the status page adds them up over the fleet. Metrics proper go to Prometheus. */
import type { CounterName } from './catalog.ts';
import type { Metrics } from './registry.ts';

export interface Load {
	/** Engine.IO sessions. */
	readonly connections: number;
	/** A second: sessions opened, events from and to clients, messages for the stream. */
	readonly opened: number;
	readonly received: number;
	readonly sent: number;
	readonly published: number;
}

/** The totals from which rates come, since the worker started. */
export interface LoadCounters {
	readonly sessionsOpened: number;
	readonly eventsIn: number;
	readonly eventsOut: number;
	readonly published: number;
}

export const NO_LOAD: Load = { connections: 0, opened: 0, received: 0, sent: 0, published: 0 };

/** In the order of `LoadCounters`. */
const COUNTERS = [
	'socketfleet_sessions_opened_total',
	'socketfleet_events_in_total',
	'socketfleet_events_out_total',
	'socketfleet_publish_total',
] as const satisfies readonly CounterName[];

/** Rates of a shorter time say little. */
const MIN_INTERVAL_MS = 1000;

export async function readLoadCounters(metrics: Metrics): Promise<LoadCounters> {
	const [sessionsOpened = 0, eventsIn = 0, eventsOut = 0, published = 0] = await metrics.totals(COUNTERS);
	return { sessionsOpened, eventsIn, eventsOut, published };
}

export function addLoads(loads: readonly Load[]): Load {
	return loads.reduce(
		(sum, load) => ({
			connections: sum.connections + load.connections,
			opened: sum.opened + load.opened,
			received: sum.received + load.received,
			sent: sum.sent + load.sent,
			published: sum.published + load.published,
		}),
		NO_LOAD,
	);
}

/** Rates between one reading and the next; 0 at the first. */
export class LoadMeter {
	readonly #metrics: Metrics;
	readonly #now: () => number;
	#last: { readonly at: number; readonly counters: LoadCounters } | undefined;
	#rates: Omit<Load, 'connections'> = NO_LOAD;

	constructor(metrics: Metrics, now: () => number = () => performance.now()) {
		this.#metrics = metrics;
		this.#now = now;
	}

	async read(connections: number): Promise<Load> {
		const at = this.#now();
		const last = this.#last;
		if (!last || at - last.at >= MIN_INTERVAL_MS) {
			const counters = await readLoadCounters(this.#metrics);
			if (last) {
				const rate = (key: keyof LoadCounters): number => perSecond(counters[key] - last.counters[key], at - last.at);
				this.#rates = { opened: rate('sessionsOpened'), received: rate('eventsIn'), sent: rate('eventsOut'), published: rate('published') };
			}
			this.#last = { at, counters };
		}
		return { ...this.#rates, connections };
	}
}

/** One digit: it travels with every heartbeat. */
function perSecond(count: number, ms: number): number {
	return Math.round((count * 10_000) / ms) / 10;
}
