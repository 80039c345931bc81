/** What an alert is made of, and the parts that several expressions share. */

export interface Alert {
	/** Under `monitoring.rules.alerts` in the chart's values; in kebab case the runbook's file name. */
	readonly key: string;
	readonly severity: 'critical' | 'warning';
	/** What people notice, or will: one sentence. May name `$pod`. */
	readonly summary: string;
	/** PromQL. `$pods` selects the fleet's pods; `$<time>` is one of `times`. */
	readonly expr: string;
	/** How long it must be true. */
	readonly for: string;
	/** Windows of the expression, by the placeholder's name. */
	readonly times?: Readonly<Record<string, string>>;
	/** Makes no sense for a single pod without Redis. */
	readonly needsRedis?: true;
}

/** A pod that ends does on purpose what would be a fault in another: it pages nobody. */
export const UNLESS_DRAINING = 'unless on (namespace, pod) socketfleet_drain_state{$pods} > 0';

/** `SocketfleetRedisAway` */
export function alertName({ key }: Alert): string {
	return `Socketfleet${key.charAt(0).toUpperCase()}${key.slice(1)}`;
}

/** `redis-away.md` */
export function runbookFile({ key }: Alert): string {
	return `${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}.md`;
}

/** Sum of a counter's rate over the fleet. `selector` adds to the pods', as `, result!="ok"`. */
export function rate(metric: string, time: string, selector = ''): string {
	return `sum by (namespace) (rate(${metric}{$pods${selector}}[$${time}]))`;
}

/** Few events say nothing: `metric` moved more than `count` times. */
export function moreThan(count: number, metric: string, time: string, selector = ''): string {
	return `sum by (namespace) (increase(${metric}{$pods${selector}}[$${time}])) > ${count}`;
}
