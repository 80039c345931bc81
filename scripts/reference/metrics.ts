/** The metric catalogue -> docs/reference/metrics.md. */
import { MAX_OPEN_VALUES, METRIC_NAMES, type MetricRow, OPEN, rowOf } from '../../src/metrics/catalog.ts';
import { code, markdownTable } from './markdown.ts';

const INTRO = `# Metrics

Generated from \`src/metrics/catalog.ts\` by \`npm run generate\`.

\`GET /metrics\` on the admin port (9464) gives the totals of a pod: its workers are asked in parallel and their answers merged. Counters and
histograms are added up and never fall when a worker dies: what it had counted stays. A worker that does not answer within a second costs its
own gauges of that scrape and nothing else. Gauges merge as the column says; *per worker* ones carry a \`worker\` label with the slot, or \`primary\`.

Labels whose values come from outside are marked *open*: each process keeps the first ${MAX_OPEN_VALUES} values and counts the others as \`other\`.

The application's own metrics (\`context.metrics\`) appear beside these. Counters, histograms and the sums of summaries are added up; quantiles
of summaries can't be merged and are left out; gauges merge as their \`aggregator\` says (\`sum\` unless it is set). A metric whose name starts with
\`socketfleet_\`, or on whose type or buckets the workers don't agree, is left out and counted in \`socketfleet_app_metrics_dropped\`.
`;

export function renderMetrics(): string {
	const rows = METRIC_NAMES.map((name) => {
		const row = rowOf(name);
		return [code(name), row.type, describeMerge(row), describeLabels(row), row.help];
	});
	return `${INTRO}\n${markdownTable(['Metric', 'Type', 'Workers', 'Labels', 'Meaning'], rows)}`;
}

function describeMerge(row: MetricRow): string {
	const merge = row.type === 'gauge' ? row.merge : 'sum';
	return merge === 'per-worker' ? 'per worker' : merge;
}

function describeLabels(row: MetricRow): string {
	return Object.entries(row.labels)
		.map(([label, values]) => `${code(label)}: ${values === OPEN ? '*open*' : values.map(code).join(', ')}`)
		.join('<br>');
}
