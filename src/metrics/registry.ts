/** This process's metrics: the catalog as prom-client objects behind a typed API, and a registry for the application's own. */
import { Counter, Gauge, Histogram, type MetricObjectWithValues, type MetricValueWithName, Registry } from 'prom-client';
import { withDeadline } from '../base/deadline.ts';
import {
	type CounterName,
	type GaugeName,
	type HistogramName,
	type LabelsOf,
	METRIC_NAMES,
	type MetricName,
	OPEN,
	OPERATOR_PREFIX,
	rowOf,
} from './catalog.ts';
import { OpenValues } from './open-values.ts';
import type { Family, FamilyType, MetricSnapshot } from './snapshot.ts';

export type { MetricSnapshot } from './snapshot.ts';
/** prom-client's registry, named here so that nobody else imports the package. */
export type AppRegistry = Registry;

export interface Metrics {
	inc<N extends CounterName>(name: N, labels: LabelsOf<N>, value?: number): void;
	/**
	 * `inc` by one for what happens with every message: a plain addition, where `inc` costs as much as half a delivery
	 * (docs/benchmarks.md, "What measuring costs"). The counter catches up whenever it is read.
	 */
	tally<N extends CounterName>(name: N, labels: LabelsOf<N>): () => void;
	set<N extends GaugeName>(name: N, labels: LabelsOf<N>, value: number): void;
	observe<N extends HistogramName>(name: N, labels: LabelsOf<N>, value: number): void;
	/** The counters' values, each over all its labels. */
	totals(names: readonly CounterName[]): Promise<readonly number[]>;
	/** Called at the start of every snapshot, and of nothing else: the place to set gauges, of which some measure the time since the last one. */
	onSnapshot(refresh: () => void): void;
	/** For the application: its metrics are merged and exposed beside ours. */
	readonly app: AppRegistry;
	/** A collector of the application that throws or hangs costs the application's metrics of this snapshot, nothing else. */
	snapshot(): Promise<MetricSnapshot>;
}

interface Tally {
	readonly add: () => void;
	/** What has been added since it was taken the last time. */
	take(): number;
	readonly name: MetricName;
	readonly labels: Readonly<Record<string, string>>;
}

const APP_COLLECT_TIMEOUT_MS = 500;

/** No side effects: nothing is measured and no timer runs until someone records. Counters of the other kind of process are left out. */
export function createMetrics(part: 'pod' | 'operator' = 'pod'): Metrics {
	return new CatalogMetrics(METRIC_NAMES.filter((name) => name.startsWith(OPERATOR_PREFIX) === (part === 'operator')));
}

class CatalogMetrics implements Metrics {
	readonly app = new Registry();
	readonly #own = new Registry();
	readonly #counters = new Map<MetricName, Counter>();
	readonly #gauges = new Map<MetricName, Gauge>();
	readonly #histograms = new Map<MetricName, Histogram>();
	readonly #openValues = new OpenValues();
	/** By metric and labels, which are bounded: as few as there are samples. */
	readonly #tallies = new Map<string, Tally>();
	readonly #refreshers: (() => void)[] = [];

	constructor(names: readonly MetricName[]) {
		for (const name of names) {
			const row = rowOf(name);
			if (row.type === 'counter') {
				this.#counters.set(name, this.#createCounter(name));
			}
		}
	}

	inc<N extends CounterName>(name: N, labels: LabelsOf<N>, value = 1): void {
		this.#counters.get(name)?.inc(this.#bound(name, labels), value);
	}

	tally<N extends CounterName>(name: N, labels: LabelsOf<N>): () => void {
		const bounded = this.#bound(name, labels);
		const key = JSON.stringify([name, bounded]);
		let tally = this.#tallies.get(key);
		if (!tally) {
			tally = createTally(name, bounded);
			this.#tallies.set(key, tally);
		}
		return tally.add;
	}

	set<N extends GaugeName>(name: N, labels: LabelsOf<N>, value: number): void {
		let gauge = this.#gauges.get(name);
		if (!gauge) {
			// Made at its first value: prom-client starts a gauge at 0, which would be a false reading of what this process never measures.
			gauge = new Gauge({ ...this.#options(name), registers: [this.#own] });
			this.#gauges.set(name, gauge);
		}
		gauge.set(this.#bound(name, labels), value);
	}

	observe<N extends HistogramName>(name: N, labels: LabelsOf<N>, value: number): void {
		let histogram = this.#histograms.get(name);
		if (!histogram) {
			const row = rowOf(name);
			const buckets = row.type === 'histogram' ? [...row.buckets] : [];
			histogram = new Histogram({ ...this.#options(name), buckets, registers: [this.#own] });
			this.#histograms.set(name, histogram);
		}
		histogram.observe(this.#bound(name, labels), value);
	}

	totals(names: readonly CounterName[]): Promise<readonly number[]> {
		this.#takeTallies();
		return Promise.all(
			names.map(async (name) => {
				const { values } = (await this.#counters.get(name)?.get()) ?? { values: [] };
				return values.reduce((sum, { value }) => sum + value, 0);
			}),
		);
	}

	onSnapshot(refresh: () => void): void {
		this.#refreshers.push(refresh);
	}

	async snapshot(): Promise<MetricSnapshot> {
		for (const refresh of this.#refreshers) {
			refresh();
		}
		this.#takeTallies();
		const [own, app] = await Promise.all([familiesOf(this.#own), this.#collectApp()]);
		return { own, app };
	}

	#takeTallies(): void {
		for (const { name, labels, take } of this.#tallies.values()) {
			this.#counters.get(name)?.inc(labels, take());
		}
	}

	async #collectApp(): Promise<readonly Family[]> {
		try {
			return await withDeadline(familiesOf(this.app), APP_COLLECT_TIMEOUT_MS, "collecting the application's metrics");
		} catch {
			// The application's collector failed: said by a counter, since a log line for every scrape would be noise.
			this.inc('socketfleet_app_collect_failures_total', {});
			return [];
		}
	}

	/** Counters exist from the start, at 0 where their one label lists its values, so that the first event is a rate and not a gap. */
	#createCounter(name: MetricName): Counter {
		const counter = new Counter({ ...this.#options(name), registers: [this.#own] });
		const [label, ...others] = Object.entries(rowOf(name).labels);
		if (label && others.length === 0 && label[1] !== OPEN) {
			for (const value of label[1]) {
				counter.inc({ [label[0]]: value }, 0);
			}
		}
		return counter;
	}

	#options(name: MetricName): { name: string; help: string; labelNames: string[] } {
		const row = rowOf(name);
		return { name, help: row.help, labelNames: Object.keys(row.labels) };
	}

	#bound(name: MetricName, labels: object): Record<string, string> {
		// What LabelsOf of any metric comes down to; the compiler can't follow a type parameter there.
		return this.#openValues.bound(name, labels as Record<string, string>);
	}
}

function createTally(name: MetricName, labels: Readonly<Record<string, string>>): Tally {
	let count = 0;
	return {
		name,
		labels,
		add: () => {
			count++;
		},
		take: () => {
			const taken = count;
			count = 0;
			return taken;
		},
	};
}

async function familiesOf(registry: Registry): Promise<readonly Family[]> {
	const metrics: readonly (MetricObjectWithValues<MetricValueWithName<string>> & { aggregator?: string })[] =
		await registry.getMetricsAsJSON();
	return metrics.map((metric) => ({
		name: metric.name,
		help: metric.help,
		// Declared as an enum that the package does not export at run time; in fact the word, as 'counter'.
		type: String(metric.type) as FamilyType,
		samples: metric.values.map((sample) => ({
			name: sample.metricName ?? metric.name,
			labels: Object.fromEntries(Object.entries(sample.labels).map(([label, value]) => [label, String(value)])),
			value: sample.value,
		})),
		...(metric.aggregator === undefined ? {} : { aggregator: metric.aggregator }),
	}));
}
