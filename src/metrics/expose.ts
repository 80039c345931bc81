/** Families as text in the Prometheus exposition format: https://prometheus.io/docs/instrumenting/exposition_formats/ */
import type { Family, Sample } from './snapshot.ts';

export const EXPOSITION_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export function renderExposition(families: readonly Family[]): string {
	return families.map(renderFamily).join('');
}

function renderFamily(family: Family): string {
	const lines = family.samples.map(renderSample).join('');
	return `# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${family.type}\n${lines}`;
}

function renderSample({ name, labels, value }: Sample): string {
	const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
	return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${renderNumber(value)}\n`;
}

function renderNumber(value: number): string {
	if (Number.isFinite(value) || Number.isNaN(value)) {
		return String(value);
	}
	return value > 0 ? '+Inf' : '-Inf';
}

function escapeHelp(text: string): string {
	return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
	return escapeHelp(text).replaceAll('"', '\\"');
}
