/** What a worker does, in a few numbers: the status page adds them up over the fleet. Metrics proper go to Prometheus. */
import type { CounterName } from './catalog.ts';
import type { Metrics } from './registry.ts';

/** A second: sessions opened, events from and to clients, messages for the stream. */
export interface Rates {
	readonly opened: number;
	readonly received: number;
	readonly sent: number;
	readonly published: number;
}

export interface Load extends Rates {
	/** Engine.IO sessions. */
	readonly connections: number;
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

export function ratesBetween(before: LoadCounters, now: LoadCounters, seconds: number): Rates {
	return {
		opened: (now.sessionsOpened - before.sessionsOpened) / seconds,
		received: (now.eventsIn - before.eventsIn) / seconds,
		sent: (now.eventsOut - before.eventsOut) / seconds,
		published: (now.published - before.published) / seconds,
	};
}

export function sumRates(rates: readonly Rates[]): Rates {
	const sum = (of: (rate: Rates) => number): number => rates.reduce((all, rate) => all + of(rate), 0);
	return {
		opened: sum(({ opened }) => opened),
		received: sum(({ received }) => received),
		sent: sum(({ sent }) => sent),
		published: sum(({ published }) => published),
	};
}

export function addLoads(loads: readonly Load[]): Load {
	return { ...sumRates(loads), connections: loads.reduce((sum, { connections }) => sum + connections, 0) };
}

/** Rates between one reading and the next; 0 at the first. */
export class LoadMeter {
	readonly #metrics: Metrics;
	readonly #now: () => number;
	#last: { readonly at: number; readonly counters: LoadCounters } | undefined;
	#rates: Rates = NO_LOAD;

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
				this.#rates = toOneDigit(ratesBetween(last.counters, counters, (at - last.at) / 1000));
			}
			this.#last = { at, counters };
		}
		return { ...this.#rates, connections };
	}
}

/** They travel with every heartbeat. */
function toOneDigit({ opened, received, sent, published }: Rates): Rates {
	const round = (rate: number): number => Math.round(rate * 10) / 10;
	return { opened: round(opened), received: round(received), sent: round(sent), published: round(published) };
}
