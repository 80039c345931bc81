/** The Prometheus of the cluster: questions, rules, and the alerts that fire. */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../src/base/errors.ts';
import type { Kube } from '../support/kube.ts';
import { toYaml } from '../support/kube-chart.ts';
import { waitFor } from '../support/wait.ts';
import type { Cluster } from './cluster.ts';
import { STATE_TIMEOUT } from './fleet.ts';

/** In manifests/prometheus.yaml. */
const RULES = 'prometheus-rules';
const POLL_EVERY_MS = 1000;

export interface FiringAlert {
	readonly name: string;
	readonly fleet: string;
	readonly severity: string;
	/** Of alerts that name one. */
	readonly pod: string | undefined;
}

interface AlertsAnswer {
	readonly data: { readonly alerts: readonly { readonly state: string; readonly labels: Readonly<Record<string, string>> }[] };
}

interface QueryAnswer {
	readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

export class Prometheus {
	readonly #kube: Kube;

	constructor(cluster: Cluster) {
		this.#kube = cluster.kube('prometheus');
	}

	/** The value of an instant query of one sample; 0 when it has none yet. */
	async query(expression: string): Promise<number> {
		const answer = await this.#get<QueryAnswer>(`query?query=${encodeURIComponent(expression)}`);
		return Number(answer.data.result[0]?.value[1] ?? 0);
	}

	/** How many samples an instant query has that can be drawn. Throws when it is not understood. */
	async count(expression: string): Promise<number> {
		const answer = await this.#get<QueryAnswer>(`query?query=${encodeURIComponent(expression)}`);
		return answer.data.result.filter(({ value }) => Number.isFinite(Number(value[1]))).length;
	}

	async firing(): Promise<FiringAlert[]> {
		const { data } = await this.#get<AlertsAnswer>('alerts');
		return data.alerts
			.filter(({ state }) => state === 'firing')
			.map(({ labels: { alertname = '', fleet = '', severity = '', pod } }) => ({ name: alertname, fleet, severity, pod }));
	}

	/** Starts it anew with these rule files, by name. Resolves when it has them. */
	async useRules(files: Readonly<Record<string, object>>): Promise<void> {
		const data = Object.fromEntries(Object.entries(files).map(([name, content]) => [name, toYaml(content)]));
		await this.#kube.apply(toYaml({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: RULES }, data }));
		// A kubelet brings a changed ConfigMap into a running pod after a minute; a new pod has it at once.
		await this.#kube.kubectl(['rollout', 'restart', 'deployment/prometheus']);
		await this.#kube.rolledOut('deployment/prometheus');
		const loaded = async (): Promise<number> => (await this.#get<{ data: { groups: unknown[] } }>('rules')).data.groups.length;
		await waitFor('Prometheus to have the rules', async () => (await loaded()) === Object.keys(files).length, STATE_TIMEOUT);
	}

	/** For whoever starts next: what runs keeps them. */
	async dropRules(): Promise<void> {
		await this.#kube.kubectl(['delete', 'configmap', RULES, '--ignore-not-found']);
	}

	async #get<T>(path: string): Promise<T> {
		const proxy = '/api/v1/namespaces/prometheus/services/prometheus:9090/proxy/api/v1';
		return JSON.parse(await this.#kube.kubectl(['get', '--raw', `${proxy}/${path}`])) as T;
	}
}

/** Asks for alerts all the time, so that one which fires for a moment is seen by whoever asks later. */
export class AlertWatch {
	readonly #prometheus: Prometheus;
	readonly #polling: Promise<void>;
	#seen: FiringAlert[] = [];
	#now: readonly FiringAlert[] | undefined;
	#problem = 'nothing asked yet';
	#closed = false;

	constructor(prometheus: Prometheus) {
		this.#prometheus = prometheus;
		this.#polling = this.#poll();
	}

	/** Those that fire; undefined while Prometheus does not answer. */
	now(): readonly FiringAlert[] | undefined {
		return this.#now;
	}

	/** All that have fired since the watch began, or since `forget`. */
	seen(): readonly FiringAlert[] {
		return this.#seen;
	}

	forget(): void {
		this.#seen = [];
	}

	/** For the message of a wait that failed. */
	describe(): string {
		return this.#now ? JSON.stringify(this.#now.map(({ name, fleet }) => `${fleet}/${name}`)) : this.#problem;
	}

	async close(): Promise<void> {
		this.#closed = true;
		await this.#polling;
	}

	async #poll(): Promise<void> {
		while (!this.#closed) {
			try {
				const firing = await this.#prometheus.firing();
				this.#now = firing;
				this.#seen.push(...firing);
			} catch (error) {
				this.#now = undefined;
				this.#problem = messageOf(error);
			}
			await delay(POLL_EVERY_MS);
		}
	}
}
