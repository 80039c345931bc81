/** What is served: the API group, and the metrics that an autoscaler may ask for, each computed from the page of one pod. Pure. */

import { parseSamples, type Sample } from '../../fleet/readings.ts';
import type { GaugeName } from '../../metrics/catalog.ts';

export const GROUP = 'custom.metrics.k8s.io';
/** The autoscaler knows it since Kubernetes 1.16, and takes what discovery says is there. */
export const VERSION = 'v1beta2';

/** Undefined when no worker has said it: that is not zero. */
type Compute = (samples: readonly Sample[]) => number | undefined;

export const POD_METRICS = {
	socketfleet_connections: (samples) => (samples.length === 0 ? undefined : sum(samples)),
	// Of the busiest worker: one that is full is slow for its clients, however idle the others are.
	socketfleet_event_loop_utilization_ratio: (samples) => {
		const workers = samples.filter(({ labels }) => !labels.includes('worker="primary"'));
		return workers.length === 0 ? undefined : Math.max(...workers.map(({ value }) => value));
	},
} as const satisfies Partial<Record<GaugeName, Compute>>;

export type PodMetricName = keyof typeof POD_METRICS;

export function isPodMetric(name: string): name is PodMetricName {
	return Object.hasOwn(POD_METRICS, name);
}

/** Every metric that the page of a pod gives. */
export type PodReading = { readonly [N in PodMetricName]: number | undefined };

export function readPage(text: string): PodReading {
	const samples = parseSamples(text);
	const entries = Object.entries<Compute>(POD_METRICS).map(([metric, compute]) => [
		metric,
		compute(samples.filter(({ name }) => name === metric)),
	]);
	return Object.fromEntries(entries) as PodReading;
}

function sum(samples: readonly Sample[]): number {
	return samples.reduce((total, { value }) => total + value, 0);
}
