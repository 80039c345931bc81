/** File, environment and flags -> one frozen Config, or one error that lists every problem. The only reader of `process.env`. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { AppError, messageOf } from '../base/errors.ts';
import { isAddressBlock } from '../net/client-address.ts';
import { FORK_ENV, type ForkIdentity } from './fork.ts';
import { type Config, envNameOf, flagNameOf, OPTION_KEYS, type OptionKey, type OptionSpec, specOf } from './schema.ts';

export const DEFAULT_CONFIG_FILE = 'socketfleet.config.json';
const ENV_PREFIX = 'SOCKETFLEET_';
/** Read by tools around the product (tests, charts), not options of it. */
const FOREIGN_ENV = new Set([`${ENV_PREFIX}CONFIG`, FORK_ENV]);

export type Origin = 'default' | 'file' | 'environment' | 'flag';

export interface LoadedConfig {
	readonly config: Config;
	readonly origins: { readonly [K in OptionKey]: Origin };
	/** The file that was read, if any. */
	readonly file: string | undefined;
}

export interface ConfigSources {
	/** Values of command line flags, by option key; strings as typed. */
	readonly flags?: Partial<Record<OptionKey, unknown>>;
	readonly env?: NodeJS.ProcessEnv;
	/** `--config`; without it `socketfleet.config.json` of `cwd` is read if it exists. */
	readonly file?: string;
	readonly cwd?: string;
}

/** Later sources win: default, file, environment, flag. Throws ERR_CONFIG with one line for each problem. */
export function loadConfig(sources: ConfigSources = {}): LoadedConfig {
	const env = sources.env ?? process.env;
	const problems: string[] = [];
	const file = readConfigFile(sources, env, problems);
	reportUnknown(file?.values ?? {}, env, file?.path, problems);

	const values: Record<string, unknown> = {};
	const origins: Record<string, Origin> = {};
	for (const key of OPTION_KEYS) {
		const spec = specOf(key);
		const found = pickSource(key, sources.flags ?? {}, env, file);
		const parsed = found === undefined ? { value: spec.default } : parseOption(spec, found.raw);
		if ('problem' in parsed) {
			problems.push(`${found?.where ?? key}: ${parsed.problem}${spec.secret ? '' : `, got ${JSON.stringify(found?.raw)}`}`);
			continue;
		}
		values[key] = parsed.value;
		origins[key] = found?.origin ?? 'default';
	}
	if (problems.length === 0) {
		problems.push(...findContradictions(values as Config));
	}
	if (problems.length > 0) {
		const what = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
		throw new AppError('ERR_CONFIG', `configuration: ${what}\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
	}
	return {
		config: Object.freeze(values) as Config,
		origins: Object.freeze(origins) as LoadedConfig['origins'],
		file: file?.path,
	};
}

/** The identity that the primary gave this process, when it is a worker. */
export function loadForkIdentity(env: NodeJS.ProcessEnv = process.env): ForkIdentity {
	const text = env[FORK_ENV];
	if (text === undefined) {
		throw new AppError('ERR_UNEXPECTED', `${FORK_ENV} is not set: a worker is only started by its primary`);
	}
	return JSON.parse(text) as ForkIdentity;
}

interface ConfigFile {
	readonly path: string;
	readonly values: Record<string, unknown>;
}

function readConfigFile(sources: ConfigSources, env: NodeJS.ProcessEnv, problems: string[]): ConfigFile | undefined {
	const cwd = sources.cwd ?? process.cwd();
	const asked = sources.file ?? env[`${ENV_PREFIX}CONFIG`];
	const path = resolve(cwd, asked ?? DEFAULT_CONFIG_FILE);
	if (asked === undefined && !existsSync(path)) {
		return undefined;
	}
	try {
		const values: unknown = JSON.parse(readFileSync(path, 'utf8'));
		if (typeof values !== 'object' || values === null || Array.isArray(values)) {
			problems.push(`${path}: must hold one JSON object`);
			return undefined;
		}
		return { path, values: values as Record<string, unknown> };
	} catch (error) {
		problems.push(`${path}: ${error instanceof SyntaxError ? describeSyntaxError(error) : messageOf(error)}`);
		return undefined;
	}
}

/** Where, but not what: V8's message quotes the text around the mistake, and that may be a secret. */
function describeSyntaxError(error: SyntaxError): string {
	const [where] = /line \d+ column \d+/.exec(error.message) ?? [];
	return `not valid JSON${where ? `, ${where}` : ''}`;
}

function reportUnknown(fileValues: Record<string, unknown>, env: NodeJS.ProcessEnv, path: string | undefined, problems: string[]): void {
	for (const key of Object.keys(fileValues)) {
		if (!OPTION_KEYS.includes(key as OptionKey)) {
			problems.push(`${path}: unknown option "${key}"${suggestion(key, OPTION_KEYS)}`);
		}
	}
	const known = new Set(OPTION_KEYS.map(envNameOf));
	for (const name of Object.keys(env)) {
		if (name.startsWith(ENV_PREFIX) && !known.has(name) && !FOREIGN_ENV.has(name) && !isServiceLink(name)) {
			problems.push(`${name}: unknown option${suggestion(name, [...known])}`);
		}
	}
}

/** Kubernetes injects `<SERVICE>_PORT_9464_TCP_ADDR` and the like for a Service that is named as the prefix is. */
function isServiceLink(name: string): boolean {
	return /_(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)$/.test(name);
}

/** A Service named "socketfleet" makes it set SOCKETFLEET_PORT=tcp://10.0.0.1:3000; one named "socketfleet-admin", SOCKETFLEET_ADMIN_PORT. */
function isServiceAddress(key: OptionKey, value: string): boolean {
	const spec = specOf(key);
	return spec.type === 'integer' && spec.unit === 'port' && /^(tcp|udp|sctp):\/\//.test(value);
}

interface FoundValue {
	readonly raw: unknown;
	readonly origin: Origin;
	readonly where: string;
}

function pickSource(
	key: OptionKey,
	flags: Partial<Record<OptionKey, unknown>>,
	env: NodeJS.ProcessEnv,
	file: ConfigFile | undefined,
): FoundValue | undefined {
	if (flags[key] !== undefined) {
		return { raw: flags[key], origin: 'flag', where: flagNameOf(key) };
	}
	const envName = envNameOf(key);
	const fromEnv = env[envName];
	if (fromEnv !== undefined && !isServiceAddress(key, fromEnv)) {
		return { raw: fromEnv, origin: 'environment', where: envName };
	}
	if (file && Object.hasOwn(file.values, key)) {
		return { raw: file.values[key], origin: 'file', where: `${file.path}: ${key}` };
	}
	return undefined;
}

type Parsed = { readonly value: unknown } | { readonly problem: string };

/** One raw value (a string, or what JSON gave) by its spec. */
export function parseOption(spec: OptionSpec, raw: unknown): Parsed {
	switch (spec.type) {
		case 'string':
			return parseString(raw, spec.pattern, spec.shape);
		case 'integer':
			return parseInteger(raw, spec.min, spec.max, spec.unit);
		case 'boolean':
			return parseBoolean(raw);
		case 'enum':
			return typeof raw === 'string' && spec.values.includes(raw)
				? { value: raw }
				: { problem: `must be one of ${spec.values.join(', ')}` };
		case 'list':
			return parseList(raw, spec.itemPattern, spec.shape);
		case 'workers':
			return raw === 'auto' ? { value: 'auto' } : parseInteger(raw, spec.min, spec.max, 'workers, or auto');
	}
}

function parseString(raw: unknown, pattern: RegExp | undefined, shape: string | undefined): Parsed {
	if (typeof raw !== 'string') {
		return { problem: 'must be a string' };
	}
	return pattern && !raw.split(',').every((part) => pattern.test(part))
		? { problem: `must be ${shape ?? String(pattern)}` }
		: { value: raw };
}

function parseInteger(raw: unknown, min: number, max: number, unit: string): Parsed {
	const value = typeof raw === 'string' && /^-?\d+$/.test(raw.trim()) ? Number(raw) : raw;
	if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
		return { problem: `must be a whole number from ${min} to ${max} (${unit})` };
	}
	return { value };
}

function parseBoolean(raw: unknown): Parsed {
	if (typeof raw === 'boolean') {
		return { value: raw };
	}
	if (raw === 'true' || raw === '1') {
		return { value: true };
	}
	return raw === 'false' || raw === '0' ? { value: false } : { problem: 'must be true or false' };
}

function parseList(raw: unknown, itemPattern: RegExp | undefined, shape: string | undefined): Parsed {
	const items =
		typeof raw === 'string'
			? raw
					.split(',')
					.map((item) => item.trim())
					.filter(Boolean)
			: raw;
	if (!Array.isArray(items) || !items.every((item) => typeof item === 'string')) {
		return { problem: 'must be a list of strings' };
	}
	if (itemPattern && !items.every((item) => itemPattern.test(item))) {
		return { problem: `must be ${shape ?? String(itemPattern)}` };
	}
	return { value: Object.freeze(items) };
}

function findContradictions(config: Config): string[] {
	const problems: string[] = [];
	if (config.redisUrl !== '' && config.fleetKey === '') {
		problems.push(
			`${envNameOf('fleetKey')}: needed with Redis, since pods forward requests to each other; make one with: openssl rand -hex 32`,
		);
	}
	if (config.redisUrl.includes(',') && config.redisMode === 'standalone') {
		problems.push(`${envNameOf('redisMode')}: several addresses in redisUrl need sentinel or cluster`);
	}
	if (config.drainDelayMs + config.drainSpreadMs >= config.drainTimeoutMs) {
		problems.push(
			`${envNameOf('drainTimeoutMs')}: must be more than drainDelayMs + drainSpreadMs (${config.drainDelayMs + config.drainSpreadMs}), got ${config.drainTimeoutMs}`,
		);
	}
	for (const block of config.trustedProxies) {
		if (!isAddressBlock(block)) {
			problems.push(`${envNameOf('trustedProxies')}: ${JSON.stringify(block)} is not an address block such as 10.0.0.0/8`);
		}
	}
	if (config.transports.length === 0) {
		problems.push(`${envNameOf('transports')}: at least one is needed`);
	}
	const ports = [config.port, config.adminPort, config.internalPort, config.apiPort].filter((value) => value !== 0);
	if (new Set(ports).size !== ports.length) {
		problems.push(`port, adminPort, internalPort and apiPort must differ, got ${ports.join(', ')}`);
	}
	return problems;
}

/** `, did you mean "x"?` when a known name is at most two edits away. */
function suggestion(name: string, known: readonly string[]): string {
	let best: { name: string; distance: number } | undefined;
	for (const candidate of known) {
		const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
		if (distance <= 2 && (best === undefined || distance < best.distance)) {
			best = { name: candidate, distance };
		}
	}
	return best ? `, did you mean "${best.name}"?` : '';
}

function editDistance(a: string, b: string): number {
	let row = Array.from({ length: b.length + 1 }, (_, index) => index);
	for (let i = 1; i <= a.length; i++) {
		const next = [i];
		for (let j = 1; j <= b.length; j++) {
			const substitute = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
			next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitute));
		}
		row = next;
	}
	return row[b.length] ?? 0;
}
