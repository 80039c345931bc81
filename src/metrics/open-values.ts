/** Bounds labels whose values come from outside, as namespaces that clients make up: the first 100 values of each are kept, the others are `other`. */
import { findRow, MAX_OPEN_VALUES, OPEN } from './catalog.ts';

type Labels = Readonly<Record<string, string>>;
type OpenLabel = readonly [name: string, seen: Set<string>];

const OTHER = 'other';

export class OpenValues {
	readonly #byMetric = new Map<string, readonly OpenLabel[]>();

	/** Runs for every message: the labels are copied only when a value is replaced. What was kept once is kept for good, so that no counter falls. */
	bound(metric: string, labels: Labels): Labels {
		let bounded = labels;
		for (const [label, seen] of this.#openLabelsOf(metric)) {
			const value = labels[label] ?? '';
			if (seen.has(value) || value === OTHER) {
				continue;
			}
			if (seen.size < MAX_OPEN_VALUES) {
				seen.add(value);
			} else {
				bounded = { ...bounded, [label]: OTHER };
			}
		}
		return bounded;
	}

	#openLabelsOf(metric: string): readonly OpenLabel[] {
		let open = this.#byMetric.get(metric);
		if (!open) {
			const labels = findRow(metric)?.labels ?? {};
			open = Object.keys(labels)
				.filter((label) => labels[label] === OPEN)
				.map((label) => [label, new Set<string>()]);
			this.#byMetric.set(metric, open);
		}
		return open;
	}
}
