import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AppError } from '../../../src/base/errors.ts';
import { type ConfigSources, loadConfig, loadForkIdentity } from '../../../src/config/load.ts';
import { HIDDEN, redactConfig } from '../../../src/config/redact.ts';
import { envNameOf, flagNameOf, OPTION_KEYS, specOf } from '../../../src/config/schema.ts';

const KEY = 'a-secret-of-the-fleet';

/** A directory with a configuration file in it. */
function makeDir(t: TestContext, file?: unknown): string {
	const dir = mkdtempSync(join(tmpdir(), 'sf-config-'));
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	if (file !== undefined) {
		writeFileSync(join(dir, 'socketfleet.config.json'), typeof file === 'string' ? file : JSON.stringify(file));
	}
	return dir;
}

/** Loads with nothing of this process's own environment and directory. */
function load(t: TestContext, sources: ConfigSources) {
	return loadConfig({ env: {}, cwd: makeDir(t), ...sources });
}

function problemsOf(t: TestContext, sources: ConfigSources): string[] {
	try {
		load(t, sources);
	} catch (error) {
		assert.ok(error instanceof AppError);
		assert.equal(error.code, 'ERR_CONFIG');
		const [head, ...lines] = error.message.split('\n');
		assert.match(head ?? '', lines.length === 1 ? /: 1 problem$/ : new RegExp(`: ${lines.length} problems$`));
		return lines.map((line) => line.replace('  - ', ''));
	}
	return [];
}

test('every option has a default that passes its own check, and names in the environment and on the command line', (t) => {
	const { config, origins, file } = load(t, {});
	assert.equal(file, undefined);
	assert.ok(Object.isFrozen(config));
	for (const key of OPTION_KEYS) {
		assert.deepEqual(config[key], specOf(key).default);
		assert.equal(origins[key], 'default');
		assert.match(specOf(key).doc, /\.$/, `${key}: a sentence`);
	}
	assert.equal(envNameOf('drainDelayMs'), 'SOCKETFLEET_DRAIN_DELAY_MS');
	assert.equal(flagNameOf('drainDelayMs'), '--drain-delay-ms');
});

test('flag over environment over file over default, whichever type', (t) => {
	const cwd = makeDir(t, { port: 1, workers: 3, recovery: false, transports: ['websocket'], fleet: 'from-file', path: '/file/' });
	const env = {
		SOCKETFLEET_PORT: '2',
		SOCKETFLEET_FLEET: 'from-env',
		SOCKETFLEET_TRUSTED_PROXIES: '10.0.0.0/8, fd00::/8,',
		SOCKETFLEET_PATH: '/env/',
	};
	const { config, origins, file } = load(t, { cwd, env, flags: { fleet: 'from-flag', workers: 'auto' } });
	assert.equal(file, join(cwd, 'socketfleet.config.json'));
	const { port, workers, recovery, transports, fleet, trustedProxies, path, host } = config;
	assert.deepEqual([port, workers, recovery, transports, fleet, path, host], [2, 'auto', false, ['websocket'], 'from-flag', '/env/', '']);
	assert.deepEqual(trustedProxies, ['10.0.0.0/8', 'fd00::/8']);
	assert.deepEqual(
		[origins.port, origins.workers, origins.recovery, origins.fleet, origins.host],
		['environment', 'flag', 'file', 'flag', 'default'],
	);
	const elsewhere = load(t, { env: { SOCKETFLEET_CONFIG: join(cwd, 'socketfleet.config.json') } });
	assert.equal(elsewhere.config.workers, 3);
});

test('all problems at once, each with its place, what is wanted and what was given', (t) => {
	const cwd = makeDir(t, { workers: 0, recovry: true, transports: 'carrier-pigeon', recovery: 'perhaps', fleet: 7 });
	const file = join(cwd, 'socketfleet.config.json');
	const env = {
		SOCKETFLEET_PORT: '70000',
		SOCKETFLEET_PLACEMENT: 'random',
		SOCKETFLEET_WORKRS: '2',
		SOCKETFLEET_UNHEARD_OF: '1',
		OTHER: 'x',
	};
	assert.deepEqual(problemsOf(t, { cwd, env, flags: { drainTimeoutMs: '1.5' } }), [
		`${file}: unknown option "recovry", did you mean "recovery"?`,
		'SOCKETFLEET_WORKRS: unknown option, did you mean "SOCKETFLEET_WORKERS"?',
		'SOCKETFLEET_UNHEARD_OF: unknown option',
		`${file}: fleet: must be a string, got 7`,
		'SOCKETFLEET_PORT: must be a whole number from 0 to 65535 (port), got "70000"',
		`${file}: workers: must be a whole number from 1 to 64 (workers, or auto), got 0`,
		'SOCKETFLEET_PLACEMENT: must be one of ip-hash, kernel, got "random"',
		`${file}: transports: must be polling, websocket, or both, got "carrier-pigeon"`,
		`${file}: recovery: must be true or false, got "perhaps"`,
		'--drain-timeout-ms: must be a whole number from 100 to 7200000 (ms), got "1.5"',
	]);
});

test('a file that is missing though it was asked for, or that holds no object, is a problem', (t) => {
	assert.match(problemsOf(t, { file: 'nowhere.json' })[0] ?? '', /nowhere\.json: ENOENT/);
	assert.match(problemsOf(t, { cwd: makeDir(t, '[]') })[0] ?? '', /must hold one JSON object$/);
	assert.match(problemsOf(t, { cwd: makeDir(t, '{\n "port": 1,\n}') })[0] ?? '', /not valid JSON, line 3 column 1$/);
});

test('secrets are in no message and in nothing that is shown', (t) => {
	const broken = makeDir(t, `{ "fleetKey": "${KEY}" "port": 1 }`);
	const texts = [
		...problemsOf(t, { env: { SOCKETFLEET_FLEET_KEY: `${KEY} with spaces` } }),
		...problemsOf(t, { env: { SOCKETFLEET_REDIS_URL: `http://user:${KEY}@cache` } }),
		...problemsOf(t, { flags: { apiTokens: `${KEY},short` } }),
		...problemsOf(t, { env: { SOCKETFLEET_REDIS_URL: `redis://user:${KEY}@cache` } }),
		...problemsOf(t, { cwd: broken }),
	];
	assert.equal(texts.length, 5);
	assert.doesNotMatch(texts.join('\n'), new RegExp(KEY.slice(0, 8)));

	const secrets = { fleetKey: KEY, redisUrl: `redis://:${KEY}@cache`, apiTokens: [`${KEY}-1`, `${KEY}-2`], adminToken: KEY };
	const { config } = load(t, { flags: secrets });
	assert.equal(config.fleetKey, KEY);
	const shown = redactConfig(config);
	assert.doesNotMatch(JSON.stringify(shown), new RegExp(KEY));
	assert.deepEqual([shown.fleetKey, shown.apiTokens, shown.redisPassword, shown.port], [HIDDEN, [HIDDEN], '', 3000]);
});

test('what Kubernetes sets for Services of our name is not ours', (t) => {
	const env = {
		SOCKETFLEET_PORT: 'tcp://10.0.0.1:3000',
		SOCKETFLEET_ADMIN_PORT: 'tcp://10.0.0.2:9464',
		SOCKETFLEET_PORT_3000_TCP: 'tcp://10.0.0.1:3000',
		SOCKETFLEET_PORT_3000_TCP_ADDR: '10.0.0.1',
		SOCKETFLEET_PORT_3000_TCP_PORT: '3000',
		SOCKETFLEET_PORT_3000_TCP_PROTO: 'tcp',
		SOCKETFLEET_SERVICE_HOST: '10.0.0.1',
		SOCKETFLEET_SERVICE_PORT: '3000',
		SOCKETFLEET_SERVICE_PORT_HTTP: '3000',
		SOCKETFLEET_REDIS_SERVICE_HOST: '10.0.0.3',
		SOCKETFLEET_REDIS_PORT_6379_TCP: 'tcp://10.0.0.3:6379',
	};
	const { config } = load(t, { env });
	assert.deepEqual([config.port, config.adminPort], [3000, 9464]);
	assert.equal(load(t, { env, flags: { port: '0' } }).config.port, 0);
});

test('options that contradict each other', (t) => {
	const cases: [ConfigSources['flags'], RegExp][] = [
		[{ redisUrl: 'redis://cache' }, /^SOCKETFLEET_FLEET_KEY: needed with Redis.*openssl/],
		[{ redisUrl: 'redis://a,redis://b', fleetKey: KEY }, /^SOCKETFLEET_REDIS_MODE: several addresses/],
		[{ drainDelayMs: 20_000, drainSpreadMs: 10_000 }, /^SOCKETFLEET_DRAIN_TIMEOUT_MS: must be more than .*\(30000\), got 30000$/],
		[{ transports: [] }, /^SOCKETFLEET_TRANSPORTS: at least one/],
		[{ adminPort: 3000 }, /must differ, got 3000, 3000, 9465, 9466$/],
		[{ trustedProxies: ['10.0.0.0/8', '10.0.0.0/33'] }, /^SOCKETFLEET_TRUSTED_PROXIES: "10.0.0.0\/33" is not an address block/],
	];
	for (const [flags = {}, expected] of cases) {
		const problems = problemsOf(t, { flags });
		assert.equal(problems.length, 1);
		assert.match(problems[0] ?? '', expected);
	}
	assert.deepEqual(problemsOf(t, { flags: { port: 0, adminPort: 0, internalPort: 0, apiPort: 0 } }), [], 'free ports differ by themselves');
});

test("a worker's identity comes from its primary and from nowhere else", () => {
	assert.throws(() => loadForkIdentity({}), { code: 'ERR_UNEXPECTED' });
	assert.equal(loadForkIdentity({ SOCKETFLEET_FORK: '{"slot":3}' }).slot, 3);
});
