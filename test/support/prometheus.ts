/** A real Prometheus (Debian's) for one test, on a free port, with its data in a folder that goes with it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, type Scope } from './redis-server.ts';
import { waitFor } from './wait.ts';

export interface Target {
	/** `127.0.0.1:1234` */
	readonly address: string;
	readonly labels: Readonly<Record<string, string>>;
}

export interface PrometheusSample {
	readonly labels: Readonly<Record<string, string>>;
	readonly value: number;
}

export interface Prometheus {
	/** An instant query; throws what Prometheus says about a query that it does not understand. */
	query(expr: string): Promise<readonly PrometheusSample[]>;
}

/** Scrapes every second. */
export async function startPrometheus(t: Scope, targets: readonly Target[]): Promise<Prometheus> {
	const dir = mkdtempSync(join(tmpdir(), 'socketfleet-prometheus-'));
	const address = `127.0.0.1:${await freePort()}`;
	const config = {
		global: { scrape_interval: '1s', scrape_timeout: '1s' },
		scrape_configs: [
			{ job_name: 'fleet', static_configs: targets.map((target) => ({ targets: [target.address], labels: target.labels })) },
		],
	};
	writeFileSync(join(dir, 'prometheus.yml'), JSON.stringify(config));
	const args = [`--config.file=${dir}/prometheus.yml`, `--storage.tsdb.path=${dir}/data`, `--web.listen-address=${address}`];
	const child = spawn('prometheus', [...args, '--log.level=error'], { stdio: ['ignore', 'ignore', 'pipe'] });
	let output = '';
	child.stderr.setEncoding('utf8').on('data', (text: string) => {
		output += text;
	});
	const gone = Promise.race([once(child, 'exit'), once(child, 'error')]);
	let isGone = false;
	void gone.then(() => {
		isGone = true;
	});
	t.after(async () => {
		child.kill('SIGKILL');
		await gone;
		rmSync(dir, { recursive: true, force: true });
	});
	await waitFor('Prometheus to be ready', async () => {
		if (isGone) {
			throw new Error(`prometheus ended: ${output}`);
		}
		return (await fetch(`http://${address}/-/ready`)).ok;
	});
	return {
		async query(expr) {
			const response = await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(expr)}`);
			const answer = (await response.json()) as Answer;
			if (answer.status !== 'success') {
				throw new Error(`${answer.error} in: ${expr}`);
			}
			return answer.data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
		},
	};
}

interface Answer {
	readonly status: string;
	readonly error?: string;
	readonly data: { readonly result: readonly { readonly metric: Record<string, string>; readonly value: readonly [number, string] }[] };
}
