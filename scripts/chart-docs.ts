/** The comments of helm/socketfleet/values.yaml -> the chart's README. A comment that starts with "--" documents the key under it. */
import { readFileSync } from 'node:fs';
import { isMap, isScalar, type Pair, parseDocument } from 'yaml';

const VALUES_FILE = new URL('../helm/socketfleet/values.yaml', import.meta.url);
const INTRO = `# The chart \`socketfleet\`

Runs a Socket.IO application as a fleet of pods. Generated from the comments in \`values.yaml\`: \`npm run generate\`.

\`\`\`sh
helm install fleet helm/socketfleet --namespace fleet --create-namespace
helm test fleet --namespace fleet
\`\`\`

The defaults run the demo on three pods with a Redis for trials. \`ci/\` holds values for common cases, \`../../k8s/\` the same without Helm,
\`../../docs/operations/\` says how to size, route, upgrade and repair a fleet. Kubernetes 1.30 or newer, Helm 3 or 4.

## Values

| Key | Default | |
|---|---|---|
`;

interface DocumentedValue {
	readonly key: string;
	readonly value: string;
	readonly doc: string;
}

/** Throws when a key has neither a comment nor keys under it that have one: an undocumented value is a mistake. */
export function renderChartReadme(): string {
	const root = parseDocument(readFileSync(VALUES_FILE, 'utf8')).contents;
	if (!isMap(root)) {
		throw new Error('values.yaml holds no map');
	}
	// The comment above the first key of a map belongs to the map in the parser's eyes.
	const rows = root.items.flatMap((pair, index) => rowsOf(pair, '', index === 0 ? root.commentBefore : undefined));
	return `${INTRO}${rows.map(({ key, value, doc }) => `| \`${key}\` | \`${value}\` | ${doc} |`).join('\n')}\n`;
}

function rowsOf(pair: Pair, parent: string, inherited: string | null | undefined): DocumentedValue[] {
	if (!isScalar(pair.key)) {
		throw new Error(`values.yaml: a key under ${parent} is no scalar`);
	}
	const key = `${parent}${parent && '.'}${String(pair.key.value)}`;
	const doc = docOf(pair.key.commentBefore ?? inherited);
	if (doc !== undefined) {
		return [{ key, value: JSON.stringify(toJs(pair.value)).replaceAll('|', '\\|'), doc }];
	}
	const children = pair.value;
	if (!isMap(children) || children.items.length === 0) {
		throw new Error(`values.yaml: ${key} has no comment`);
	}
	return children.items.flatMap((child, index) => rowsOf(child, key, index === 0 ? children.commentBefore : undefined));
}

function docOf(comment: string | null | undefined): string | undefined {
	return comment
		?.split('\n')
		.map((line) => line.trim())
		.find((line) => line.startsWith('-- '))
		?.slice(3)
		.replaceAll('|', '\\|');
}

function toJs(node: unknown): unknown {
	return typeof node === 'object' && node !== null && 'toJSON' in node && typeof node.toJSON === 'function' ? node.toJSON() : node;
}
