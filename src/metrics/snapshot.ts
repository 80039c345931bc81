/** The metrics of one process as plain data, so that they can cross IPC and be merged without prom-client. */

export type FamilyType = 'counter' | 'gauge' | 'histogram' | 'summary';

export interface Sample {
	/** The family's name, or with `_bucket`, `_sum`, `_count`. */
	readonly name: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly value: number;
}

export interface Family {
	readonly name: string;
	readonly help: string;
	readonly type: FamilyType;
	readonly samples: readonly Sample[];
	/** How gauges of the application merge, as prom-client's `aggregator` option says: sum, max, min, average, first, omit. */
	readonly aggregator?: string;
}

export interface MetricSnapshot {
	readonly own: readonly Family[];
	/** Of the application's registry. */
	readonly app: readonly Family[];
}

/** The same for the same name and labels, in whatever order the labels come. */
export function sampleKey(sample: Sample): string {
	const names = Object.keys(sample.labels);
	if (names.length === 0) {
		return sample.name;
	}
	return JSON.stringify([sample.name, ...names.sort().flatMap((name) => [name, sample.labels[name]])]);
}
