/** The comments of a chart's values.yaml -> its README. A comment that starts with "--" documents the key under it. */
import { readFileSync } from 'node:fs';
import { isMap, isScalar, type Pair, parseDocument } from 'yaml';

/** What stands above the table of values. */
const INTROS = {
	socketfleet: `Runs a Socket.IO application as a fleet of pods. Generated from the comments in \`values.yaml\`: \`npm run generate\`.

\`\`\`sh
helm install fleet helm/socketfleet --namespace fleet --create-namespace
helm test fleet --namespace fleet
\`\`\`

The defaults run the demo on three pods with a Redis for trials. \`ci/\` holds values for common cases, \`../../k8s/\` the same without Helm,
\`../../docs/operations/\` says how to size, route, upgrade and repair a fleet. Kubernetes 1.30 or newer, Helm 3 or 4.`,
	'socketfleet-operator': `Installs the operator and the definition of \`SocketFleet\`. What the operator does: [\`docs/operator\`](../../docs/operator/README.md).
Generated from the comments in \`values.yaml\`: \`npm run generate\`.

\`\`\`sh
helm install socketfleet-operator helm/socketfleet-operator --namespace socketfleet-system --create-namespace
kubectl apply -f - <<YAML
apiVersion: socketfleet.dev/v1alpha1
kind: SocketFleet
metadata: { name: chat }
spec:
  replicas: 3
YAML
kubectl get sfleet
\`\`\`

The definition is upgraded with the chart and stays when the chart is uninstalled; remove the fleets first, then the chart, then
\`kubectl delete crd socketfleets.socketfleet.dev\`. A fleet that is deleted while no operator runs waits for one.

\`templates/_rules.tpl\` lists every right that the operator has on fleets. It may read single Secrets, not list them. What \`customMetrics.enabled\` adds is in
\`templates/custom-metrics.yaml\`: its own APIService and Secret by name, \`system:auth-delegator\`, and \`extension-apiserver-authentication-reader\` in \`kube-system\`.`,
} as const;

export type Chart = keyof typeof INTROS;

interface DocumentedValue {
	readonly key: string;
	readonly value: string;
	readonly doc: string;
}

/** Throws when a key has neither a comment nor keys under it that have one: an undocumented value is a mistake. */
export function renderChartReadme(chart: Chart): string {
	const file = new URL(`../helm/${chart}/values.yaml`, import.meta.url);
	const root = parseDocument(readFileSync(file, 'utf8')).contents;
	if (!isMap(root)) {
		throw new Error('values.yaml holds no map');
	}
	// The comment above the first key of a map belongs to the map in the parser's eyes.
	const rows = root.items.flatMap((pair, index) => rowsOf(pair, '', index === 0 ? root.commentBefore : undefined));
	const table = rows.map(({ key, value, doc }) => `| \`${key}\` | \`${value}\` | ${doc} |`).join('\n');
	return `# The chart \`${chart}\`\n\n${INTROS[chart]}\n\n## Values\n\n| Key | Default | |\n|---|---|---|\n${table}\n`;
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
