/** What a dashboard is made of. Grafana's own JSON is made from it by render.ts, the reference by scripts/reference/dashboards.ts. */

export interface Dashboard {
	/** File name, and Grafana's id: links to a dashboard stay what they are over upgrades. */
	readonly id: string;
	readonly title: string;
	/** Which question it answers. */
	readonly about: string;
	/** Whose metrics: of the pods of a fleet unless it says otherwise. */
	readonly of?: 'fleet' | 'operator';
	readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
}

export interface Panel {
	readonly title: string;
	/** What it shows and what to read from it; Grafana shows it at the panel's corner. */
	readonly help: string;
	readonly kind: 'stat' | 'lines' | 'stack';
	readonly unit: Unit;
	readonly queries: readonly Query[];
	/** Where the alert on the same metric fires, or for a ratio what is too much. */
	readonly limit?: Limit;
	/** Moves only when something has gone wrong: the test makes the fault and wants a value above 0. */
	readonly fault?: true;
}

/** Of Grafana's units. */
export type Unit = 'short' | 'cps' | 's' | 'bytes' | 'percentunit' | 'bool_yes_no' | 'none';

export interface Query {
	/** PromQL; `$pods` selects the pods that the variables name. */
	readonly expr: string;
	/** `{{label}}` in Grafana's notation. */
	readonly legend: string;
}

export interface Limit {
	readonly value: number;
	/** Bad is `above` or `below` it. */
	readonly bad: 'above' | 'below';
}

/** `sum by (reason) (rate(metric{$pods}[$__rate_interval]))` */
export function rateBy(labels: string, metric: string, selector = ''): string {
	return `sum${labels === '' ? '' : ` by (${labels})`} (rate(${metric}{$pods${selector}}[$__rate_interval]))`;
}

export function sumBy(labels: string, metric: string, selector = ''): string {
	return `sum${labels === '' ? '' : ` by (${labels})`} (${metric}{$pods${selector}})`;
}

export function maxBy(labels: string, metric: string, selector = ''): string {
	return `max${labels === '' ? '' : ` by (${labels})`} (${metric}{$pods${selector}})`;
}

export function minBy(labels: string, metric: string, selector = ''): string {
	return `min${labels === '' ? '' : ` by (${labels})`} (${metric}{$pods${selector}})`;
}
