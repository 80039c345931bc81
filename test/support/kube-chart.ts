/** Renders helm/socketfleet with the real helm and reads the objects back. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments, stringify } from 'yaml';

export const CHART = fileURLToPath(new URL('../../helm/socketfleet', import.meta.url));

export interface KubeObject {
	readonly apiVersion: string;
	readonly kind: string;
	readonly metadata: {
		readonly name: string;
		readonly namespace?: string;
		readonly labels?: Readonly<Record<string, string>>;
		readonly annotations?: Readonly<Record<string, string>>;
	};
	readonly [field: string]: unknown;
}

export type Values = Readonly<Record<string, unknown>>;

/** Helm and Kubernetes read YAML 1.1, where a bare `no` is false. */
const YAML = { version: '1.1' } as const;

export function toYaml(value: unknown): string {
	return stringify(value, YAML);
}

export interface RenderOptions {
	/** Folder of another chart than the fleet's. */
	readonly chart?: string;
	readonly release?: string;
	readonly namespace?: string;
	/** Values files, before `values`. */
	readonly files?: readonly string[];
}

interface Rendered {
	readonly status: number;
	readonly stdout: string;
	readonly stderr: string;
}

function helmTemplate(values: Values, options: RenderOptions): Rendered {
	const { chart = CHART, release = 'sf', namespace = 'demo', files = [] } = options;
	const args = ['template', release, chart, '--namespace', namespace, ...files.flatMap((file) => ['-f', file]), '-f', '-'];
	const run = spawnSync('helm', args, { input: toYaml(values), encoding: 'utf8', timeout: 60_000 });
	if (run.error) {
		throw new Error('helm could not be run; these tests need it on the PATH', { cause: run.error });
	}
	return { status: run.status ?? 1, stdout: run.stdout, stderr: run.stderr };
}

/** The objects of the chart with these values; throws what helm says when it refuses. */
export function renderChart(values: Values = {}, options: RenderOptions = {}): KubeObject[] {
	const { status, stdout, stderr } = helmTemplate(values, options);
	if (status !== 0) {
		throw new Error(stderr);
	}
	return parseObjects(stdout);
}

/** What helm says about values that must be refused; undefined when it takes them. */
export function refusalOf(values: Values): string | undefined {
	const { status, stderr } = helmTemplate(values, {});
	return status === 0 ? undefined : stderr;
}

/** Throws on a document that is no YAML, or twice the same key: helm itself lets both pass. */
export function parseObjects(text: string): KubeObject[] {
	const objects: KubeObject[] = [];
	for (const document of parseAllDocuments(text, YAML)) {
		if (document.errors.length > 0) {
			throw document.errors[0];
		}
		const object: unknown = document.toJS();
		if (object !== null && object !== undefined) {
			objects.push(object as KubeObject);
		}
	}
	return objects;
}

export function find(objects: readonly KubeObject[], kind: string, name?: string): KubeObject | undefined {
	return objects.find((object) => object.kind === kind && (name === undefined || object.metadata.name === name));
}

export function get(objects: readonly KubeObject[], kind: string, name?: string): KubeObject {
	const object = find(objects, kind, name);
	if (!object) {
		throw new Error(`no ${kind} ${name ?? ''} among ${objects.map((each) => `${each.kind} ${each.metadata.name}`).join(', ')}`);
	}
	return object;
}

/** `pick(object, 'spec.containers.0.image')`; undefined where the path ends. */
export function pick(value: unknown, path: string): unknown {
	let at = value;
	for (const step of path.split('.')) {
		at = typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[step] : undefined;
	}
	return at;
}

/** A nested object from a dotted path: `at('pdb.enabled', false)`. */
export function at(path: string, value: unknown): Values {
	return path.split('.').reduceRight<unknown>((inner, step) => ({ [step]: inner }), value) as Values;
}

/** Environment of the first container, by name; a reference is written `secret/key` or `field:path`. */
export function envOf(workload: KubeObject): Record<string, string> {
	const list = pick(workload, 'spec.template.spec.containers.0.env') as { name: string; value?: string; valueFrom?: unknown }[];
	return Object.fromEntries(list.map((entry) => [entry.name, entry.value ?? describeSource(entry.valueFrom)]));
}

function describeSource(source: unknown): string {
	const [secret, key, field] = ['secretKeyRef.name', 'secretKeyRef.key', 'fieldRef.fieldPath'].map((path) => pick(source, path) as string);
	return secret === undefined ? `field:${field}` : `${secret}/${key}`;
}
