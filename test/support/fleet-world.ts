/** A small world for the operator: an API server in memory, a Deployment controller that replaces pods, pods with connections, and a clock. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { createSilentLogger } from '../../src/base/log.ts';
import type { EventInput } from '../../src/kube/events.ts';
import { type KubeObject, keyOf, pick, pickNumber, RESOURCES } from '../../src/kube/object.ts';
import type { WorkResult } from '../../src/kube/work-queue.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import { DELETION_COST_ANNOTATION } from '../../src/operator/api/fleet.ts';
import { Cache } from '../../src/operator/cache.ts';
import type { PodAdmin } from '../../src/operator/pod-admin.ts';
import { Reconciler } from '../../src/operator/reconcile.ts';
import { FakeKube } from './fake-kube.ts';
import type { Scope } from './redis-server.ts';

const NAMESPACE = 'demo';
const NAME = 'chat';
const LABELS = {
	'app.kubernetes.io/name': 'socketfleet',
	'app.kubernetes.io/instance': NAME,
	'app.kubernetes.io/component': 'fleet',
};

export class FleetWorld {
	readonly kube = new FakeKube();
	readonly events: EventInput[] = [];
	/** By pod. */
	readonly connections = new Map<string, number>();
	readonly cordoned = new Set<string>();
	/** Pods that ended, in order, with the connections they still had. */
	readonly removed: string[] = [];
	readonly calls: string[] = [];
	nowMs = Date.parse('2026-01-01T00:00:00Z');
	cache: Cache;
	#reconciler: Reconciler;
	#created = 0;
	#resource = 0;

	constructor(t: Scope) {
		this.cache = this.#createCache();
		this.#reconciler = this.#createReconciler();
		t.after(() => this.cache.close());
	}

	async createFleet(spec: object = {}, metadata: object = {}): Promise<void> {
		this.kube.seed(RESOURCES.SocketFleet, { metadata: { namespace: NAMESPACE, name: NAME, ...metadata }, spec });
		await this.cache.start();
	}

	async change(patch: object): Promise<void> {
		await this.kube.patch(RESOURCES.SocketFleet, { namespace: NAMESPACE, name: NAME }, patch);
	}

	/** Another process takes over: nothing in memory is left. */
	async restartOperator(): Promise<void> {
		await this.cache.close();
		this.cache = this.#createCache();
		await this.cache.start();
		this.#reconciler = this.#createReconciler();
	}

	/** One look, on a cache that has seen everything. */
	async look(): Promise<WorkResult> {
		await this.settle();
		const result = await this.#reconciler.reconcile(keyOf({ namespace: NAMESPACE, name: NAME }));
		await this.settle();
		return result;
	}

	/** Looks, and the world's turn between them, until `until` holds. The clock goes on a second each time. */
	async run(until: () => boolean, maxTurns = 200): Promise<void> {
		for (let turn = 0; !until(); turn++) {
			if (turn >= maxTurns) {
				throw new Error(`not there after ${maxTurns} turns: ${JSON.stringify(this.fleet()?.status, undefined, 1)}`);
			}
			await this.look();
			this.turn();
			this.nowMs += 1000;
		}
	}

	fleet(): KubeObject | undefined {
		return this.cache.fleets.get(keyOf({ namespace: NAMESPACE, name: NAME }));
	}

	condition(type: string): string {
		const list = pick(this.fleet(), 'status', 'conditions');
		const found = Array.isArray(list)
			? (list as { type: string; status: string; reason: string }[]).find((each) => each.type === type)
			: undefined;
		return found ? `${found.status} ${found.reason}` : 'none';
	}

	pods(): string[] {
		return this.kube.names(RESOURCES.Pod);
	}

	/** The Deployment controller: pods come and go until there are as many as it says; those with the lowest cost go first. */
	turn(): void {
		const deployment = this.cache.children.get('Deployment')?.get(keyOf({ namespace: NAMESPACE, name: NAME }));
		const wanted = pickNumber(deployment, ['spec', 'replicas']);
		const pods = [...this.cache.podsOf({ namespace: NAMESPACE, name: NAME })].sort((a, b) => costOf(a) - costOf(b));
		for (let missing = wanted - pods.length; missing > 0; missing--) {
			this.#createPod();
		}
		for (const pod of pods.slice(0, Math.max(0, pods.length - wanted))) {
			const { name } = pod.metadata;
			this.removed.push(`${name}:${this.connections.get(name) ?? 0}`);
			this.connections.delete(name);
			this.kube.drop(RESOURCES.Pod, { namespace: NAMESPACE, name });
		}
		for (const name of this.cordoned) {
			this.connections.set(name, Math.max(0, (this.connections.get(name) ?? 0) - 5));
		}
		if (deployment) {
			const status = { replicas: this.pods().length, updatedReplicas: this.pods().length };
			this.kube.seed(RESOURCES.Deployment, { ...deployment, metadata: { ...deployment.metadata, namespace: NAMESPACE }, status });
		}
	}

	#createPod(): void {
		const name = `chat-${++this.#created}`;
		this.connections.set(name, 0);
		this.kube.seed(RESOURCES.Pod, {
			metadata: { namespace: NAMESPACE, name, labels: LABELS, creationTimestamp: '2026-01-01T00:00:00Z' },
			status: { podIP: `10.0.0.${this.#created}`, phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
		});
	}

	#createCache(): Cache {
		const log = createSilentLogger();
		return new Cache({ client: this.kube, namespace: undefined, log, onRestart: () => undefined });
	}

	#createReconciler(): Reconciler {
		return new Reconciler({
			client: this.kube,
			cache: this.cache,
			podAdmin: this.#podAdmin(),
			events: {
				record: async (_about, event) => {
					await Promise.resolve();
					this.events.push(event);
				},
			},
			metrics: createMetrics('operator'),
			log: createSilentLogger(),
			now: () => new Date(this.nowMs),
		});
	}

	#podAdmin(): PodAdmin {
		const act = async (call: string): Promise<void> => {
			await Promise.resolve();
			this.kube.beforeWrite(call);
			this.calls.push(call);
		};
		return {
			metrics: ({ name }) => Promise.resolve(`socketfleet_connections{transport="websocket"} ${this.connections.get(name) ?? 0}\n`),
			reasons: () => Promise.resolve([]),
			cordon: async ({ name }) => {
				await act(`cordon ${name}`);
				this.cordoned.add(name);
			},
			uncordon: async ({ name }) => {
				await act(`uncordon ${name}`);
				this.cordoned.delete(name);
			},
			shed: async ({ name }, _token, count) => {
				await act(`shed ${name} ${count}`);
				this.connections.set(name, (this.connections.get(name) ?? 0) - count);
			},
		};
	}

	/** Until the informers have what the API server has. */
	async settle(): Promise<void> {
		const marker = `marker-${++this.#resource}`;
		for (const [resource, informer] of [
			[RESOURCES.Pod, this.cache.pods],
			[RESOURCES.Deployment, this.cache.children.get('Deployment')],
			[RESOURCES.SocketFleet, this.cache.fleets],
		] as const) {
			const ref = { namespace: 'elsewhere', name: marker };
			const labels = { ...LABELS, 'app.kubernetes.io/managed-by': 'socketfleet-operator', 'app.kubernetes.io/instance': 'none' };
			this.kube.seed(resource, { metadata: { ...ref, labels } });
			for (let rounds = 0; !informer?.get(keyOf(ref)); rounds++) {
				assert.ok(rounds < 10_000, `the ${resource.plural} are not seen`);
				await setImmediate();
			}
			this.kube.drop(resource, ref);
		}
	}
}

function costOf({ metadata: { annotations = {} } }: KubeObject): number {
	return Number(annotations[DELETION_COST_ANNOTATION] ?? 0);
}
