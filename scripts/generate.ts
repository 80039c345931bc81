/**
 * Writes every generated file; `--check` writes nothing and fails when one is stale. A new target is a row in TARGETS:
 * `render` is a pure function of the sources, the same on every machine.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { renderOpenApi } from '../src/emit/openapi.ts';
import { renderRulesTemplate } from './alerts/rules.ts';
import { renderBenchmarks } from './benchmarks-doc.ts';
import { renderChartReadme } from './chart-docs.ts';
import { renderValuesSchema } from './chart-schema.ts';
import { renderCrd, renderCrdReference } from './crd.ts';
import { DASHBOARDS } from './dashboards/dashboards.ts';
import { renderDashboard } from './dashboards/render.ts';
import { renderAlerts } from './reference/alerts.ts';
import { renderConfiguration } from './reference/configuration.ts';
import { renderDashboards } from './reference/dashboards.ts';
import { renderErrors } from './reference/errors.ts';
import { renderFindings } from './reference/findings.ts';
import { renderMetrics } from './reference/metrics.ts';
import { renderRefusals } from './reference/refusals.ts';

interface Target {
	/** From the repository's root. */
	readonly path: string;
	readonly render: () => string;
}

const TARGETS: readonly Target[] = [
	{ path: 'docs/reference/configuration.md', render: renderConfiguration },
	{ path: 'docs/reference/metrics.md', render: renderMetrics },
	{ path: 'docs/reference/refusals.md', render: renderRefusals },
	{ path: 'docs/reference/errors.md', render: renderErrors },
	{ path: 'docs/reference/findings.md', render: renderFindings },
	{ path: 'docs/reference/openapi.json', render: renderOpenApi },
	{ path: 'docs/benchmarks.md', render: () => renderBenchmarks() },
	{ path: 'docs/reference/alerts.md', render: renderAlerts },
	{ path: 'docs/reference/dashboards.md', render: renderDashboards },
	...DASHBOARDS.map((dashboard) => ({
		path: `helm/socketfleet/dashboards/${dashboard.id}.json`,
		render: () => renderDashboard(dashboard),
	})),
	{ path: 'helm/socketfleet/rules/alerts.yaml', render: renderRulesTemplate },
	{ path: 'helm/socketfleet/values.schema.json', render: renderValuesSchema },
	{ path: 'helm/socketfleet/README.md', render: () => renderChartReadme('socketfleet') },
	{ path: 'helm/socketfleet-operator/README.md', render: () => renderChartReadme('socketfleet-operator') },
	{ path: 'helm/socketfleet-operator/files/crd.yaml', render: renderCrd },
	{ path: 'docs/operator/reference.md', render: renderCrdReference },
];
const ROOT = join(import.meta.dirname, '..');

const stale = TARGETS.map(({ path, render }) => ({ path, text: render() })).filter(({ path, text }) => readIfThere(path) !== text);
if (!process.argv.includes('--check')) {
	for (const { path, text } of stale) {
		mkdirSync(dirname(join(ROOT, path)), { recursive: true });
		writeFileSync(join(ROOT, path), text);
		console.log(`wrote ${path}`);
	}
} else if (stale.length > 0) {
	console.error(`stale, run \`npm run generate\` and commit:\n${stale.map(({ path }) => `  ${path}`).join('\n')}`);
	process.exitCode = 1;
}

function readIfThere(path: string): string | undefined {
	return existsSync(join(ROOT, path)) ? readFileSync(join(ROOT, path), 'utf8') : undefined;
}
