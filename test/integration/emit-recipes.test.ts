/** The recipes of docs/recipes/emit, as they are printed, against a pod. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { lastFirst } from '../support/last-first.ts';
import { startPod } from '../support/pod.ts';
import { startRedis } from '../support/redis-server.ts';

const RECIPES = fileURLToPath(new URL('../../docs/recipes/emit/', import.meta.url));
const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const TOKEN = 'token-of-the-emit-recipes';

interface CronJob {
	readonly spec: {
		readonly jobTemplate: {
			readonly spec: {
				readonly template: {
					readonly spec: {
						readonly containers: readonly {
							readonly args: readonly string[];
							readonly volumeMounts: readonly { readonly mountPath: string }[];
						}[];
					};
				};
			};
		};
	};
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
	return new Promise((resolve, reject) => {
		execFile(command, args, { env: { ...process.env, ...env }, timeout: 240_000 }, (error, stdout, stderr) => {
			if (error) {
				reject(new Error(`${command} ${args.join(' ')}: ${error.message}\n${stderr}`));
			} else {
				resolve(stdout.trim());
			}
		});
	});
}

// The Go compiler takes its time on a machine where it has never been used.
test('every recipe emits, and all together write the event once', { timeout: 400_000 }, async (t) => {
	const scope = lastFirst(t);
	const redis = await startRedis(scope);
	const pod = await startPod(scope, { options: { redisUrl: redis.url, apiTokens: TOKEN, workers: 1 } });
	const url = `http://127.0.0.1:${pod.ports.api}`;
	const env = { EMIT_URL: url, EMIT_TOKEN: TOKEN };

	const { id } = JSON.parse(await run(`${RECIPES}emit.sh`, ['2026-11'], env)) as { id: string };
	assert.match(id, /^\d+-\d+$/);
	assert.deepEqual(JSON.parse(await run(`${RECIPES}emit.sh`, ['2026-11'], env)), { id, duplicate: true });
	assert.equal(await run('python3', [`${RECIPES}emit.py`, '2026-11'], env), id);
	assert.equal(await run('go', ['run', `${RECIPES}emit.go`, '2026-11'], env), id);
	await assert.rejects(
		run('python3', [`${RECIPES}emit.py`, '2026-11'], { ...env, EMIT_TOKEN: 'a-wrong-token-000' }),
		/this token is not known/,
	);

	const dir = mkdtempSync(join(tmpdir(), 'socketfleet-recipe-'));
	scope.after(() => rmSync(dir, { recursive: true }));
	writeFileSync(join(dir, 'tokens'), TOKEN);
	const job = parse(readFileSync(`${RECIPES}cronjob.yaml`, 'utf8')) as CronJob;
	const [container] = job.spec.jobTemplate.spec.template.spec.containers;
	assert.ok(container);
	const args = container.args.map((arg) =>
		arg
			.replace('http://socketfleet-api:9466', url)
			.replace(container.volumeMounts[0]?.mountPath ?? '', dir)
			.replace('$(JOB_NAME)', 'report-ready-29400000'),
	);
	const first = await run(process.execPath, [CLI, ...args]);
	assert.match(first, /^\d+-\d+$/);
	assert.equal(await run(process.execPath, [CLI, ...args]), `${first} (sent before)`);
});
