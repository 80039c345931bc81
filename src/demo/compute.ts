/**
 * A computation in real time: participants stream numbers, each worker reduces its own to a partial result, and any worker
 * combines the partial results of all. What travels between workers does not grow with the rate of the samples.
 */
import type { Demo } from './demo.ts';
import { numberOf, onEvent } from './input.ts';
import { type Person, personOf } from './presence.ts';
import { createShares } from './shares.ts';
import { every, throttle } from './timing.ts';

const MIN_VALUE = 0;
const MAX_VALUE = 100;
/** A participant who sent nothing for this long no longer counts. */
const QUIET_MS = 3000;
const MAX_BARS_PER_WORKER = 16;

interface Sample {
	readonly from: Person;
	readonly value: number;
	readonly at: number;
}

export interface PartialResult {
	readonly pod: string;
	readonly worker: number;
	readonly count: number;
	readonly sum: number;
	readonly min: number;
	readonly max: number;
	/** Samples this worker has taken since it started. */
	readonly samples: number;
	/** The first participants, for the bars. */
	readonly bars: readonly { readonly from: Person; readonly value: number }[];
}

export function startCompute(demo: Demo): void {
	const { io, pod, worker, signal } = demo;
	const latest = new Map<string, Sample>();
	let samples = 0;

	const tellClients = throttle(200, () => io.local.volatile.emit('compute:result', combine(shares.all())));
	const shares = createShares<PartialResult>(demo, {
		name: 'compute',
		intervalMs: 200,
		mine: () => ({ pod, worker, samples, ...reduce([...latest.values()]) }),
		onChange: tellClients,
	});

	io.on('connection', (socket) => {
		onEvent(socket, 'compute:sample', { perSecond: 12, burst: 24 }, (input) => {
			const value = numberOf(input.value, MIN_VALUE, MAX_VALUE);
			if (value === undefined) {
				return undefined;
			}
			latest.set(socket.id, { from: personOf(socket), value, at: Date.now() });
			samples += 1;
			shares.changed();
			return {};
		});
		onEvent(socket, 'compute:load', { perSecond: 2, burst: 4 }, () => combine(shares.all()));
		socket.on('disconnect', () => {
			if (latest.delete(socket.id)) {
				shares.changed();
			}
		});
	});

	every(1000, signal, () => {
		for (const [id, { at }] of latest) {
			if (Date.now() - at > QUIET_MS) {
				latest.delete(id);
				shares.changed();
			}
		}
	});
}

/** The map step, in each worker. */
export function reduce(values: readonly Sample[]): Pick<PartialResult, 'count' | 'sum' | 'min' | 'max' | 'bars'> {
	return {
		count: values.length,
		sum: values.reduce((sum, { value }) => sum + value, 0),
		// Not Infinity, which an empty list would give: JSON between the workers and the browsers has no word for it.
		min: values.reduce((min, { value }) => Math.min(min, value), MAX_VALUE),
		max: values.reduce((max, { value }) => Math.max(max, value), MIN_VALUE),
		bars: values.slice(0, MAX_BARS_PER_WORKER).map(({ from, value }) => ({ from, value })),
	};
}

/** The reduce step: what the page shows. `mean`, `min` and `max` are `null` while nobody streams. */
export function combine(partials: readonly PartialResult[]): object {
	const count = partials.reduce((total, partial) => total + partial.count, 0);
	const sum = partials.reduce((total, partial) => total + partial.sum, 0);
	const workers = partials.map(({ pod, worker, count: participants, bars }) => ({ pod, worker, count: participants, bars }));
	return {
		count,
		mean: count > 0 ? sum / count : null,
		min: count > 0 ? Math.min(...partials.map(({ min }) => min)) : null,
		max: count > 0 ? Math.max(...partials.map(({ max }) => max)) : null,
		samples: partials.reduce((total, partial) => total + partial.samples, 0),
		workers: workers.sort((a, b) => a.pod.localeCompare(b.pod) || a.worker - b.worker),
	};
}
