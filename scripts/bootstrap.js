// Makes a bare machine ready, before anything that needs a package can run: plain JavaScript, node: modules only, Node 20 or newer.
//   node scripts/bootstrap.js            packages from the lockfile
//   node scripts/bootstrap.js --tests    and the programs that the tests run (Debian packages)
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const STAMP = join(ROOT, 'node_modules', '.socketfleet-lock');
const OLDEST_NODE = 20;

/** Program that must be there -> the Debian package that has it. */
const TEST_PROGRAMS = {
	'redis-server': 'redis-server',
	curl: 'curl',
	python3: 'python3',
	go: 'golang-go',
	nginx: 'nginx',
	haproxy: 'haproxy',
	chromium: 'chromium',
	'systemd-analyze': 'systemd',
	prometheus: 'prometheus',
	promtool: 'prometheus',
	amtool: 'prometheus-alertmanager',
};

const say = (text) => process.stderr.write(`bootstrap: ${text}\n`);

function installPackages() {
	const lock = createHash('sha256')
		.update(readFileSync(join(ROOT, 'package-lock.json')))
		.digest('hex');
	if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === lock) {
		return;
	}
	say('installing packages from the lockfile');
	execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
	mkdirSync(dirname(STAMP), { recursive: true });
	writeFileSync(STAMP, lock);
}

function isThere(program) {
	return spawnSync('sh', ['-c', `command -v ${program}`], { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } }).status === 0;
}

function installPrograms() {
	const missing = Object.entries(TEST_PROGRAMS).flatMap(([program, debianPackage]) => (isThere(program) ? [] : [debianPackage]));
	if (missing.length === 0) {
		return;
	}
	say(`installing what the tests run: ${missing.join(', ')}`);
	const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
	const apt = (...args) =>
		spawnSync('apt-get', [...args, '-qq', '-y', '-o', 'Dpkg::Use-Pty=0'], { env, stdio: ['ignore', 'ignore', 'inherit'] }).status;
	// Services that a package starts would hold ports that tests and users want.
	const policy = '/usr/sbin/policy-rc.d';
	const isOurs = !existsSync(policy);
	if (isOurs) {
		writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
	}
	apt('update');
	const status = apt('install', '--no-install-recommends', ...missing);
	if (isOurs) {
		rmSync(policy);
	}
	if (status !== 0) {
		say(`could not install ${missing.join(', ')}: needs Debian's apt-get and root, or install them by hand`);
		process.exit(1);
	}
}

if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
	say(`Node ${OLDEST_NODE} or newer is needed, this is ${process.version}`);
	process.exit(1);
}
installPackages();
if (process.argv.includes('--tests')) {
	installPrograms();
}
