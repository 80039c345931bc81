/** A small world for the operator: an API server in memory, a Deployment controller that replaces pods, pods with connections, and a clock. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { createSilentLogger } from '../../src/base/log.ts';
import { conditionOf } from '../../src/fleet/pods.ts';
import type { EventInput } from '../../src/kube/events.ts';
import type { Informer } from '../../src/kube/informer.ts';
import { type KubeObject, keyOf, RESOURCES, type Resource } from '../../src/kube/object.ts';
import type { WorkResult } from '../../src/kube/work-queue.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import { Cache } from '../../src/operator/cache.ts';
import type { DrainPace, PodAdmin } from '../../src/operator/pod-admin.ts';
import { Reconciler } from '../../src/operator/reconcile.ts';
import { DeploymentController, isReady, type PodWork } from './deployment-controller.ts';
import { FakeKube } from './fake-kube.ts';
import type { Scope } from './redis-server.ts';

const NAMESPACE = 'demo';
const NAME = 'chat';
const LABELS = {
	'app.kubernetes.io/name': 'socketfleet',
	'app.kubernetes.io/instance': NAME,
	'app.kubernetes.io/component': 'fleet',
};

/** Until a pod is ready, until its readiness is seen to fail, and until one that was told to go is gone. */
const START_MS = 2000;
const NOTICE_MS = 2000;
const END_MS = 3000;

interface Operator {
	readonly cache: Cache;
	readonly reconciler: Reconciler;
}

export class FleetWorld {
	readonly kube = new FakeKube();
	readonly events: EventInput[] = [];
	/** By pod. */
	readonly connections = new Map<string, number>();
	/** Pods that ended, in order, with the connections they still had. */
	readonly removed: string[] = [];
	readonly calls: string[] = [];
	/** Of the whole fleet. */
	readonly closedPerSecond: number[] = [];
	/** Why a pod does not come up, as a container's waiting state. */
	waiting: (pod: KubeObject) => { readonly reason: string; readonly message: string } | undefined = () => undefined;
	/** More metrics of a pod. */
	metricsOf: (pod: KubeObject) => string = () => '';
	readonly #cordons = new Map<string, DrainPace & { readonly sinceMs: number; readonly connections: number }>();
	readonly #deployments = new DeploymentController(
		this.kube,
		{ namespace: NAMESPACE, name: NAME },
		{ create: (metadata) => this.#createPod(metadata), remove: (pod) => this.#removePod(pod) },
	);
	/** By which the operator's clock is ahead of the cluster's. */
	skewMs = 0;
	nowMs = Date.parse('2026-01-01T00:00:00Z');
	#operators: Operator[];
	#resource = 0;

	constructor(t: Scope) {
		this.kube.time = () => this.#time();
		this.#operators = [this.#createOperator()];
		t.after(() => this.#closeOperators());
	}

	/** Of the first operator. */
	get cache(): Cache {
		const [first] = this.#operators;
		assert.ok(first);
		return first.cache;
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
		await this.#closeOperators();
		this.#operators = [];
		await this.addOperator();
	}

	/** One more that acts, as when a leader does not know yet that it leads no more. */
	async addOperator(): Promise<void> {
		const operator = this.#createOperator();
		this.#operators.push(operator);
		await operator.cache.start();
	}

	async #closeOperators(): Promise<void> {
		await Promise.all(this.#operators.map(({ cache }) => cache.close()));
	}

	/** One look, on a cache that has seen everything; of all operators at once. The result is the first one's. */
	async look(): Promise<WorkResult> {
		await this.settle();
		const key = keyOf({ namespace: NAMESPACE, name: NAME });
		const [result] = await Promise.all(this.#operators.map(({ reconciler }) => reconciler.reconcile(key)));
		assert.ok(result);
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

	/** Until so many pods are ready and nothing is under way. */
	async settled(pods: number): Promise<void> {
		await this.run(() => this.pods().length === pods && this.condition('Ready') === 'True AllReady' && this.isQuiet());
	}

	isQuiet(): boolean {
		return this.condition('Progressing') === 'False Stable' && this.kube.objects(RESOURCES.Pod).length === this.pods().length;
	}

	fleet(): KubeObject | undefined {
		return this.cache.fleets.get(keyOf({ namespace: NAMESPACE, name: NAME }));
	}

	condition(type: string): string {
		const found = conditionOf(this.fleet(), type);
		return found ? `${found.status} ${found.reason}` : 'none';
	}

	/** Those that are not on their way out. */
	pods(): string[] {
		const pods = this.kube.objects(RESOURCES.Pod).filter(({ metadata }) => metadata.namespace === NAMESPACE);
		return pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.name);
	}

	/** An annotation of the pod template, by pod. */
	annotations(name: string): string[] {
		return this.pods().map((pod) => this.#pod(pod).metadata.annotations?.[name] ?? '');
	}

	get cordoned(): string[] {
		return [...this.#cordons.keys()];
	}

	#pod(name: string): KubeObject {
		const pod = this.kube.objects(RESOURCES.Pod).find(({ metadata }) => metadata.name === name);
		assert.ok(pod, name);
		return pod;
	}

	/** A second of the world: controllers act, kubelets tell, pods that drain close connections at their pace, and clients come back. */
	turn(): void {
		this.#deployments.sync(this.nowMs);
		let closed = 0;
		for (const pod of this.kube.objects(RESOURCES.Pod)) {
			closed += pod.metadata.deletionTimestamp === undefined ? this.#live(pod) : this.#end(pod);
		}
		this.closedPerSecond.push(closed);
		this.#comeBack(closed);
	}

	#live(pod: KubeObject): number {
		const { name } = pod.metadata;
		const cordon = this.#cordons.get(name);
		const age = this.nowMs - Date.parse(pod.metadata.creationTimestamp ?? '');
		const waiting = this.waiting(pod);
		this.#tell(pod, age >= START_MS && !waiting && (cordon === undefined || this.nowMs - cordon.sinceMs < NOTICE_MS), waiting);
		if (cordon === undefined || this.nowMs - cordon.sinceMs < cordon.delayMs) {
			return 0;
		}
		const open = this.connections.get(name) ?? 0;
		const perSecond = Math.ceil((Math.max(cordon.connections, open) * 1000) / Math.max(1000, cordon.spreadMs));
		const closing = Math.min(open, perSecond, cordon.maxPerSecond === 0 ? open : cordon.maxPerSecond);
		this.connections.set(name, open - closing);
		return closing;
	}

	/** What a pod still has when it is told to go is closed then. */
	#end({ metadata: { name, deletionTimestamp = '' } }: KubeObject): number {
		const left = this.connections.get(name) ?? 0;
		this.connections.delete(name);
		this.#cordons.delete(name);
		if (this.nowMs - Date.parse(deletionTimestamp) >= END_MS) {
			this.kube.drop(RESOURCES.Pod, { namespace: NAMESPACE, name });
		}
		return left;
	}

	#comeBack(clients: number): void {
		const ready = this.kube.objects(RESOURCES.Pod).filter((pod) => isReady(pod) && pod.metadata.deletionTimestamp === undefined);
		for (let client = 0; client < clients && ready.length > 0; client++) {
			const name = ready[client % ready.length]?.metadata.name ?? '';
			this.connections.set(name, (this.connections.get(name) ?? 0) + 1);
		}
	}

	#tell(pod: KubeObject, ready: boolean, waiting: object | undefined): void {
		if (isReady(pod) !== ready || waiting) {
			const condition = { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: this.#time() };
			const containerStatuses = waiting ? [{ state: { waiting } }] : [];
			const { namespace = NAMESPACE, name } = pod.metadata;
			const status = { ...(pod.status as object), conditions: [condition], containerStatuses };
			this.kube.seed(RESOURCES.Pod, { ...pod, metadata: { ...pod.metadata, namespace, name }, status });
		}
	}

	#createPod(metadata: Parameters<PodWork['create']>[0]): void {
		const { name } = metadata;
		this.connections.set(name, 0);
		this.kube.seed(RESOURCES.Pod, {
			metadata: { ...metadata, namespace: NAMESPACE, creationTimestamp: this.#time() },
			status: {
				podIP: `10.0.0.${name.slice(NAME.length + 1)}`,
				phase: 'Running',
				conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: this.#time() }],
			},
		});
	}

	#removePod(pod: KubeObject): void {
		const { namespace = NAMESPACE, name } = pod.metadata;
		this.removed.push(`${name}:${this.connections.get(name) ?? 0}`);
		this.kube.seed(RESOURCES.Pod, { ...pod, metadata: { ...pod.metadata, namespace, name, deletionTimestamp: this.#time() } });
	}

	#time(): string {
		return `${new Date(this.nowMs).toISOString().slice(0, 19)}Z`;
	}

	#createOperator(): Operator {
		const log = createSilentLogger();
		const cache = new Cache({ client: this.kube, namespace: undefined, log, onRestart: () => undefined });
		const reconciler = new Reconciler({
			client: this.kube,
			cache,
			podAdmin: this.#podAdmin(),
			events: {
				record: async (_about, event) => {
					await Promise.resolve();
					this.events.push(event);
				},
			},
			metrics: createMetrics('operator'),
			log,
			now: () => new Date(this.nowMs + this.skewMs),
		});
		return { cache, reconciler };
	}

	#podAdmin(): PodAdmin {
		const act = async (call: string): Promise<void> => {
			await Promise.resolve();
			this.kube.beforeWrite(call);
			this.calls.push(call);
		};
		return {
			metrics: ({ name }) =>
				Promise.resolve(
					`socketfleet_connections{transport="websocket"} ${this.connections.get(name) ?? 0}\n${this.metricsOf(this.#pod(name))}`,
				),
			reasons: () => Promise.resolve([]),
			cordon: async ({ name }, _token, pace) => {
				await act(`cordon ${name}`);
				if (!this.#cordons.has(name)) {
					this.#cordons.set(name, { ...pace, sinceMs: this.nowMs, connections: this.connections.get(name) ?? 0 });
				}
			},
			uncordon: async ({ name }) => {
				await act(`uncordon ${name}`);
				this.#cordons.delete(name);
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
		const ref = { namespace: 'elsewhere', name: marker };
		const labels = { ...LABELS, 'app.kubernetes.io/managed-by': 'socketfleet-operator', 'app.kubernetes.io/instance': 'none' };
		for (const resource of [RESOURCES.Pod, RESOURCES.Deployment, RESOURCES.SocketFleet]) {
			this.kube.seed(resource, { metadata: { ...ref, labels } });
			for (let rounds = 0; !this.#operators.every(({ cache }) => informerOf(cache, resource)?.get(keyOf(ref))); rounds++) {
				assert.ok(rounds < 10_000, `the ${resource.plural} are not seen`);
				await setImmediate();
			}
			this.kube.drop(resource, ref);
		}
	}
}

function informerOf(cache: Cache, { kind }: Resource): Informer | undefined {
	return kind === 'Pod' ? cache.pods : kind === 'SocketFleet' ? cache.fleets : cache.children.get('Deployment');
}
