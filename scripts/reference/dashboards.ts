/** The dashboards' descriptions -> docs/reference/dashboards.md. */
import { DASHBOARDS } from '../dashboards/dashboards.ts';
import { markdownTable } from './markdown.ts';

const INTRO = `# Dashboards

Generated from \`scripts/dashboards/\` by \`npm run generate\`, as are the files in \`helm/socketfleet/dashboards/\`. How to get them into Grafana:
[observability](../guide/observability.md). A dashed line is drawn where the alert on the same metric fires.
`;

export function renderDashboards(): string {
	const sections = DASHBOARDS.map(({ title, about, id, rows }) => {
		const tables = rows.map((row) => {
			const cells = row.panels.map(({ title: panel, help, limit }) => [panel, help, limit ? `${limit.bad} ${limit.value}` : '']);
			return `### ${row.title}\n\n${markdownTable(['Panel', 'What it shows', 'Red'], cells)}`;
		});
		return `\n## ${title}\n\n${about} File: \`${id}.json\`.\n\n${tables.join('\n')}`;
	});
	return INTRO + sections.join('');
}
