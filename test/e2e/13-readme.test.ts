/** The README's commands for Kubernetes, as they stand there, in a copy of this checkout. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { clusterTest, NAME, ROOT } from './cluster.ts';
import { settled } from './operator.ts';

/** What a checkout does not have. */
const NOT_CHECKED_OUT = ['node_modules', '.cache', 'dist'];
/** As the second block asks for. */
const PODS = 3;

function blocksOf(section: string): readonly string[] {
	const [, text = ''] = readFileSync(join(ROOT, 'README.md'), 'utf8').split(`\n## ${section}\n`);
	return [...(text.split('\n## ')[0] ?? '').matchAll(/```sh\n(.*?)```/gs)].map(([, block = '']) => block);
}

clusterTest("the README's commands give a fleet by the chart, its test passes, and a fleet by the operator", async (t, cluster) => {
	const [byChart, byOperator] = blocksOf('Kubernetes');
	assert.ok(byChart && byOperator);
	const checkout = mkdtempSync(join(tmpdir(), 'socketfleet-readme-'));
	t.after(() => rmSync(checkout, { recursive: true, force: true }));
	cpSync(ROOT, checkout, { recursive: true, filter: (path) => !NOT_CHECKED_OUT.includes(relative(ROOT, path)) });
	const kube = cluster.kube('default');
	const type = (commands: string): Promise<string> =>
		kube.shell(commands, { cwd: checkout, env: { KIND_CLUSTER_NAME: NAME }, timeoutMs: 600_000 });
	t.after(() => kube.in('fleet').helm(['uninstall', 'fleet', '--ignore-not-found', '--wait', '--timeout', '120s']));
	assert.match(await type(byChart), /Phase:\s+Succeeded/);

	t.after(async () => {
		await kube.kubectl(['delete', 'sfleet', 'chat', '--ignore-not-found', '--timeout=120s']);
		await kube.in('socketfleet-system').helm(['uninstall', 'socketfleet-operator', '--ignore-not-found', '--wait', '--timeout', '120s']);
	});
	await type(byOperator);
	await settled(kube, 'chat', PODS);
});
