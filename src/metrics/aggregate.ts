/**
 * Merges the snapshots of a pod's processes into one set of families. Pure but for the totals it keeps of processes that are gone:
 * counters never fall when a worker dies, and a worker that does not answer costs only its own gauges.
 */
import { CATALOG, findRow, type GaugeMerge } from './catalog.ts';
import { OpenValues } from './open-values.ts';
import { type Family, type FamilyType, type MetricSnapshot, type Sample, sampleKey } from './snapshot.ts';

export interface MetricSource {
	/** The newest snapshot; ignored after `end()`. */
	record(snapshot: MetricSnapshot): void;
	/** It did not answer this time: until the next snapshot its gauges are left out, its last counters stay. */
	silence(): void;
	/** The process is gone: its last counters and histograms stay in the totals for good. Idempotent. */
	end(): void;
}

export interface Totals {
	/** A process from its start to its end; a worker that is started again in its slot is another source. `label`: its slot, or `primary`. */
	add(label: string): MetricSource;
	merge(): MergedMetrics;
}

export interface DroppedFamily {
	readonly name: string;
	readonly reason: 'reserved' | 'conflict' | 'clash';
}

export interface MergedMetrics {
	readonly families: readonly Family[];
	/** What the application's metrics lost in this merge. */
	readonly dropped: readonly DroppedFamily[];
}

type Merge = GaugeMerge | 'average' | 'first' | 'omit';
type Origin = 'own' | 'app';

interface SourceState {
	readonly label: string;
	snapshot: MetricSnapshot | undefined;
	isSilent: boolean;
}

const EMPTY: MetricSnapshot = { own: [], app: [] };
const RESERVED_PREFIX = 'socketfleet_';
const APP_MERGES: ReadonlySet<string> = new Set<Merge>(['sum', 'max', 'min', 'average', 'first', 'omit']);

export function createTotals(): Totals {
	const sources = new Set<SourceState>();
	// Each worker bounds its own; together they could still have a hundred each.
	const openValues = new OpenValues();
	let past = EMPTY;
	return {
		add(label) {
			const state: SourceState = { label, snapshot: undefined, isSilent: false };
			sources.add(state);
			return {
				record(snapshot) {
					state.snapshot = snapshot;
					state.isSilent = false;
				},
				silence() {
					state.isSilent = true;
				},
				end() {
					if (sources.delete(state)) {
						past = foldIn(past, state.snapshot ?? EMPTY, openValues);
					}
				},
			};
		},
		merge: () => mergeAll(past, [...sources], openValues),
	};
}

/** What outlives a process: counters, histograms and the sums of summaries. */
function foldIn(past: MetricSnapshot, last: MetricSnapshot, openValues: OpenValues): MetricSnapshot {
	return { own: foldFamilies('own', past.own, last.own, openValues), app: foldFamilies('app', past.app, last.app, openValues) };
}

function foldFamilies(origin: Origin, past: readonly Family[], last: readonly Family[], openValues: OpenValues): readonly Family[] {
	const merger = new FamilyMerger(origin, openValues);
	merger.addAll(past.filter(isCumulative), 'past');
	merger.addAll(last.filter(isCumulative), 'past');
	return merger.finish();
}

function isCumulative(family: Family): boolean {
	return family.type !== 'gauge';
}

function mergeAll(past: MetricSnapshot, sources: readonly SourceState[], openValues: OpenValues): MergedMetrics {
	const own = new FamilyMerger('own', openValues);
	const app = new FamilyMerger('app', openValues);
	own.addAll(past.own, 'past');
	app.addAll(past.app, 'past');
	for (const { label, snapshot = EMPTY, isSilent } of sources) {
		const kept = (family: Family) => !isSilent || isCumulative(family);
		own.addAll(snapshot.own.filter(kept), label);
		app.addAll(snapshot.app.filter(kept), label);
	}
	const dropped = [...own.dropped, ...app.dropped];
	// By name, so that of two that clash the same one wins in every scrape.
	const sorted = [...own.finish(), ...app.finish()].sort((a, b) => (a.name < b.name ? -1 : 1));
	const families = dropClashes(sorted, dropped);
	return { families: [...families, droppedGauge(dropped.length)], dropped };
}

/** A counter `x_count` and a histogram `x` would write the same line: the first keeps its name. */
function dropClashes(families: readonly Family[], dropped: DroppedFamily[]): Family[] {
	const takenBy = new Map<string, string>();
	return families.filter((family) => {
		const names = new Set([family.name, ...family.samples.map((sample) => sample.name)]);
		for (const name of names) {
			if (takenBy.has(name)) {
				dropped.push({ name: family.name, reason: 'clash' });
				return false;
			}
		}
		for (const name of names) {
			takenBy.set(name, family.name);
		}
		return true;
	});
}

function droppedGauge(count: number): Family {
	const name = 'socketfleet_app_metrics_dropped';
	return { name, help: CATALOG[name].help, type: 'gauge', samples: [{ name, labels: {}, value: count }] };
}

interface Accumulated {
	readonly sample: Sample;
	value: number;
	count: number;
}

interface OpenFamily {
	readonly family: Family;
	readonly merge: Merge;
	readonly shape: string;
	readonly samples: Map<string, Accumulated>;
}

/** Adds families of several processes up, one name at a time; the first to use a name decides its type and buckets. */
class FamilyMerger {
	readonly #origin: Origin;
	/** Knows the labels of our metrics only: those of the application are its own affair. */
	readonly #openValues: OpenValues;
	readonly #open = new Map<string, OpenFamily>();
	readonly #dropped = new Map<string, DroppedFamily>();

	constructor(origin: Origin, openValues: OpenValues) {
		this.#origin = origin;
		this.#openValues = openValues;
	}

	get dropped(): readonly DroppedFamily[] {
		return [...this.#dropped.values()];
	}

	addAll(families: readonly Family[], label: string): void {
		for (const family of families) {
			const samples = family.type === 'summary' ? family.samples.filter((sample) => !('quantile' in sample.labels)) : family.samples;
			const open = samples.length === 0 ? undefined : this.#openFor(family, samples);
			for (const sample of open ? samples : []) {
				accumulate(open, { ...sample, labels: this.#openValues.bound(family.name, sample.labels) }, label);
			}
		}
	}

	finish(): readonly Family[] {
		return [...this.#open.values()].map(({ family, merge, samples }) => ({
			...family,
			samples: [...samples.values()].map(({ sample, value, count }) => ({
				...sample,
				value: merge === 'average' ? value / count : value,
			})),
		}));
	}

	#openFor(family: Family, samples: readonly Sample[]): OpenFamily | undefined {
		if (this.#origin === 'app' && family.name.startsWith(RESERVED_PREFIX)) {
			return this.#drop(family.name, 'reserved');
		}
		const merge = mergeOf(family, this.#origin);
		if (merge === 'omit') {
			return undefined;
		}
		const shape = shapeOf(family.type, samples);
		const known = this.#open.get(family.name);
		if (known) {
			return known.shape === shape ? known : this.#drop(family.name, 'conflict');
		}
		const opened: OpenFamily = { family, merge, shape, samples: new Map() };
		this.#open.set(family.name, opened);
		return opened;
	}

	#drop(name: string, reason: DroppedFamily['reason']): undefined {
		this.#dropped.set(name, { name, reason });
	}
}

function accumulate(open: OpenFamily | undefined, sample: Sample, label: string): void {
	if (!open) {
		return;
	}
	const placed = open.merge === 'per-worker' ? { ...sample, labels: { ...sample.labels, worker: label } } : sample;
	const key = sampleKey(placed);
	const before = open.samples.get(key);
	if (!before) {
		open.samples.set(key, { sample: placed, value: sample.value, count: 1 });
		return;
	}
	before.value = combine(open.merge, before.value, sample.value);
	before.count += 1;
}

function combine(merge: Merge, before: number, value: number): number {
	switch (merge) {
		case 'max':
			return Math.max(before, value);
		case 'min':
			return Math.min(before, value);
		case 'first':
			return before;
		case 'per-worker':
			// Two processes of one slot, while a worker is replaced: the later one is the newer.
			return value;
		default:
			return before + value;
	}
}

function mergeOf(family: Family, origin: Origin): Merge {
	if (family.type !== 'gauge') {
		return 'sum';
	}
	if (origin === 'own') {
		const row = findRow(family.name);
		return row?.type === 'gauge' ? row.merge : 'sum';
	}
	return isAppMerge(family.aggregator) ? family.aggregator : 'sum';
}

function isAppMerge(aggregator: string | undefined): aggregator is Merge {
	return aggregator !== undefined && APP_MERGES.has(aggregator);
}

/** Families can be added up when this agrees: the type, and for histograms the bucket bounds. */
function shapeOf(type: FamilyType, samples: readonly Sample[]): string {
	if (type !== 'histogram') {
		return type;
	}
	const bounds = new Set(samples.map((sample) => sample.labels.le).filter((bound) => bound !== undefined));
	return `histogram ${[...bounds].join(' ')}`;
}
