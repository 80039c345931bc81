/**
 * The layers that `biome.json` enforces: sources of each layer that import everything, from its folder and from a deeper one, are
 * given to Biome in one run. What a layer may import stands here, what it may not in `biome.json`; a pair that is in neither fails.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

interface Layer {
	/** The only other layers that it may import. */
	readonly layers: readonly string[];
	readonly packages: readonly string[];
}

interface Report {
	readonly rule: string;
	readonly path: string;
	readonly line: number;
	readonly message: string;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LAYER_1 = ['base', 'config', 'net', 'edge', 'ipc', 'terminal', 'metrics'];
const WITH_LOG = [...LAYER_1, 'redis', 'stream'];
const WITH_KUBE = [...LAYER_1, 'kube', 'fleet'];
const LAYERS: Readonly<Record<string, Layer>> = {
	base: { layers: [], packages: ['pino', 'pino-pretty'] },
	config: { layers: LAYER_1, packages: [] },
	net: { layers: LAYER_1, packages: [] },
	edge: { layers: LAYER_1, packages: [] },
	ipc: { layers: LAYER_1, packages: [] },
	terminal: { layers: LAYER_1, packages: [] },
	metrics: { layers: LAYER_1, packages: ['prom-client'] },
	redis: { layers: ['base', 'config', 'metrics'], packages: ['ioredis'] },
	stream: { layers: ['base', 'config', 'metrics', 'redis'], packages: ['@msgpack/msgpack'] },
	adapter: {
		layers: WITH_LOG,
		packages: ['socket.io', 'socket.io-adapter', '@socket.io/redis-adapter', '@socket.io/redis-streams-adapter', '@msgpack/msgpack'],
	},
	emit: { layers: WITH_LOG, packages: ['@msgpack/msgpack', 'ajv/dist/2020.js'] },
	kube: { layers: LAYER_1, packages: ['@kubernetes/client-node'] },
	fleet: { layers: [...LAYER_1, 'kube'], packages: [] },
	primary: { layers: LAYER_1, packages: [] },
	worker: { layers: [...WITH_LOG, 'adapter', 'emit'], packages: ['socket.io', 'socket.io-adapter', 'engine.io', '@msgpack/msgpack'] },
	operator: { layers: WITH_KUBE, packages: ['selfsigned'] },
	kubectl: { layers: WITH_KUBE, packages: ['commander'] },
	demo: { layers: [], packages: ['socket.io'] },
};
const NAMES = Object.keys(LAYERS);
const PACKAGES = [...new Set(Object.values(LAYERS).flatMap(({ packages }) => packages)), 'express'];

/** Where a fixture lies in its layer, and the way up from there to `src`. */
const DEPTHS = { 'x.ts': '..', 'room/x.ts': '../..', 'room/deep/er/x.ts': '../../../..' };

const directory = mkdtempSync(join(tmpdir(), 'sf-layers-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const reports = lintFixtures();

for (const [name, { layers, packages }] of Object.entries(LAYERS)) {
	test(`src/${name} may import what its layer may, from whichever depth, and nothing else`, () => {
		for (const [place, up] of Object.entries(DEPTHS)) {
			const path = `src/${name}/${place}`;
			const imports = importsOf(name, up);
			const found = reports.filter((report) => report.path === path && report.rule === 'lint/style/noRestrictedImports');
			const forbidden = [
				...NAMES.filter((other) => other !== name && !layers.includes(other)).flatMap((other) => pathsInto(other, up)),
				...PACKAGES.filter((specifier) => !packages.includes(specifier)),
			];
			assert.deepEqual(found.map(({ line }) => String(imports[line - 1])).toSorted(), forbidden.toSorted(), path);
			for (const { message } of found) {
				assert.ok(message.split(':', 1)[0]?.split(', ').includes(name), `${path}: ${message}`);
			}
		}
	});
}

test('each folder of src is a layer, and no room of one is named like a layer: rules go by the name', () => {
	const folders = readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory());
	const [layers, rooms] = [folders.filter(isTopLevel), folders.filter((folder) => !isTopLevel(folder))];
	assert.deepEqual(layers.map(({ name }) => name).toSorted(), NAMES.toSorted());
	assert.deepEqual(
		rooms.map(({ name }) => name).filter((name) => NAMES.includes(name)),
		[],
	);
});

test('two files that import only types of each other are a cycle', () => {
	const found = reports.filter(({ rule }) => rule === 'lint/suspicious/noImportCycles');
	assert.deepEqual(found.map(({ path }) => path).toSorted(), ['src/net/egg.ts', 'src/net/hen.ts']);
});

function isTopLevel({ parentPath }: { readonly parentPath: string }): boolean {
	return parentPath === join(ROOT, 'src');
}

/** One import a line: every layer and package, and what no rule may take for one. */
function importsOf(layer: string, up: string): readonly string[] {
	const others = NAMES.filter((other) => other !== layer);
	const harmless = ['./redis.ts', './worker/x.ts', '../desired/redis.ts', '../../sibling.ts', 'node:net', 'node:fs/promises'];
	return [...others.flatMap((other) => pathsInto(other, up)), ...PACKAGES, ...harmless];
}

function pathsInto(layer: string, up: string): readonly string[] {
	return [`${up}/${layer}/nowhere.ts`, `${up}/${layer}/room/deep/nowhere.ts`];
}

function lintFixtures(): readonly Report[] {
	copyFileSync(join(ROOT, 'biome.json'), join(directory, 'biome.json'));
	for (const name of NAMES) {
		for (const [place, up] of Object.entries(DEPTHS)) {
			write(
				`src/${name}/${place}`,
				importsOf(name, up)
					.map((specifier, line) => asImport(specifier, line))
					.join('\n'),
			);
		}
	}
	write('src/net/hen.ts', "import type { Egg } from './egg.ts';\nexport interface Hen { readonly egg?: Egg }");
	write('src/net/egg.ts', "import type { Hen } from './hen.ts';\nexport interface Egg { readonly hen?: Hen }");
	const only = ['--only=style/noRestrictedImports', '--only=suspicious/noImportCycles'];
	const { stdout, stderr } = spawnSync(
		join(ROOT, 'node_modules/.bin/biome'),
		['lint', ...only, '--reporter=rdjson', '--vcs-enabled=false', '--max-diagnostics=none', '.'],
		{ cwd: directory, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
	);
	assert.ok(stdout.startsWith('{'), stderr);
	const { diagnostics } = JSON.parse(stdout) as {
		readonly diagnostics: readonly {
			readonly code: { readonly value: string };
			readonly location: { readonly path: string; readonly range: { readonly start: { readonly line: number } } };
			readonly message: string;
		}[];
	};
	return diagnostics.map(({ code, location, message }) => ({
		rule: code.value,
		path: location.path,
		line: location.range.start.line,
		message,
	}));
}

/** Values, types, what is exported again and what is loaded later are all imports. */
function asImport(specifier: string, line: number): string {
	const forms = [
		`import '${specifier}';`,
		`import type { T${line} } from '${specifier}';`,
		`export * from '${specifier}';`,
		`await import('${specifier}');`,
	];
	return forms[line % forms.length] as string;
}

function write(path: string, text: string): void {
	mkdirSync(dirname(join(directory, path)), { recursive: true });
	writeFileSync(join(directory, path), `${text}\n`);
}
