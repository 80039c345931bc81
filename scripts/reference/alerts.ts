/** The alerts -> docs/reference/alerts.md. */
import { alertName, runbookFile } from '../alerts/alert.ts';
import { ALERTS } from '../alerts/alerts.ts';
import { code, markdownTable } from './markdown.ts';

const INTRO = `# Alerts

Generated from \`scripts/alerts/\` by \`npm run generate\`.

\`monitoring.rules.enabled: true\` renders them as a PrometheusRule. Each can be switched off, and its times set, under
\`monitoring.rules.alerts.<key>\`. \`critical\` is worth waking someone, \`warning\` can wait for the morning. Every alert carries the label \`fleet\`,
and a link to its runbook. A pod that drains does on purpose what would be a fault in another, and fires none of those that name a pod, except
the one that says that the drain does not end.
`;

export function renderAlerts(): string {
	const rows = ALERTS.map((alert) => [
		`[${alertName(alert)}](../runbooks/${runbookFile(alert)})`,
		code(alert.key),
		alert.severity,
		alert.summary.replace('$pod', '…'),
		[`for ${alert.for}`, ...Object.entries(alert.times ?? {}).map(([name, time]) => `${name} ${time}`)].join('<br>'),
	]);
	return `${INTRO}\n${markdownTable(['Alert', 'Key', 'Severity', 'Meaning', 'Times'], rows)}`;
}
