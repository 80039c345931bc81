/** The SocketFleet's definition -> the operator's chart, and its reference page. */
import { stringify } from 'yaml';
import { buildCrd } from '../src/operator/api/crd.ts';
import type { JsonSchema, Rule } from '../src/operator/api/field.ts';
import { SPEC_RULES } from '../src/operator/api/rules.ts';
import { SPEC_FIELDS } from '../src/operator/api/spec.ts';

export function renderCrd(): string {
	return `# Generated from src/operator/api: npm run generate.\n${stringify(buildCrd(), { lineWidth: 0, aliasDuplicateObjects: false })}`;
}

interface Row {
	readonly path: string;
	readonly type: string;
	readonly fallback: string;
	readonly doc: string;
}

const INTRO = `# SocketFleet: reference

Generated from \`src/operator/api\`: \`npm run generate\`. How to use it: [guide](README.md).

\`apiVersion: socketfleet.dev/v1alpha1\`, \`kind: SocketFleet\`, short name \`sfleet\`. Subresources: \`status\`, \`scale\`.

`;

/** Fields as a table, then what is refused at admission. */
export function renderCrdReference(): string {
	const rows = Object.entries(SPEC_FIELDS).flatMap(([key, { schema }]) => rowsOf(key, schema));
	const table = rows.map(({ path, type, fallback, doc }) => `| \`${path}\` | ${type} | ${fallback} | ${escapeCell(doc)} |`);
	const rules = Object.entries(SPEC_FIELDS).flatMap(([key, { schema }]) => rulesOf(key, schema));
	const refused = [...rules, ...SPEC_RULES.map((rule) => ruleRow('', rule))];
	return `${INTRO}## spec\n\n| Field | Type | Default | |\n|---|---|---|---|\n${table.join('\n')}\n\n## Refused at admission\n\n| Field | Why |\n|---|---|\n${refused.join('\n')}\n`;
}

function rowsOf(path: string, schema: JsonSchema): Row[] {
	const { properties, description, default: fallback } = schema;
	if (isRecord(properties)) {
		return Object.entries(properties).flatMap(([key, child]) => (isRecord(child) ? rowsOf(`${path}.${key}`, child) : []));
	}
	return [
		{
			path,
			type: typeOf(schema),
			fallback: fallback === undefined ? '' : `\`${JSON.stringify(fallback)}\``,
			doc: typeof description === 'string' ? description : '',
		},
	];
}

function typeOf(schema: JsonSchema): string {
	if (Array.isArray(schema.enum)) {
		return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
	}
	if (schema['x-kubernetes-int-or-string']) {
		return 'number or string';
	}
	const { minimum, maximum, type } = schema;
	return minimum === undefined ? String(type) : `${String(type)}, ${Number(minimum)} to ${Number(maximum)}`;
}

function rulesOf(path: string, schema: JsonSchema): string[] {
	const own = Array.isArray(schema['x-kubernetes-validations']) ? (schema['x-kubernetes-validations'] as Rule[]) : [];
	const below = isRecord(schema.properties)
		? Object.entries(schema.properties).flatMap(([key, child]) => (isRecord(child) ? rulesOf(`${path}.${key}`, child) : []))
		: [];
	return [...own.map((rule) => ruleRow(path, rule)), ...below];
}

function ruleRow(path: string, { fieldPath = '', message }: Rule): string {
	return `| \`${`${path}${fieldPath}`.replace(/^\./, '')}\` | ${escapeCell(message)} |`;
}

function escapeCell(text: string): string {
	return text.replaceAll('|', '\\|');
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}
