/** Turns changes of objects into keys, and keys into looks at fleets: informers -> queue -> reconciler. Works only while it leads. */
import type { Closable } from '../base/lifecycle.ts';
import { controllerOf, type KubeObject, keyOf, type ObjectKey } from '../kube/object.ts';
import { WorkQueue, type WorkResult } from '../kube/work-queue.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { Cache } from './cache.ts';
import type { Reconciler } from './reconcile.ts';

export interface ControllerOptions {
	readonly cache: Cache;
	readonly reconciler: Reconciler;
	readonly metrics: Metrics;
}

/** Fleets that are looked at at once: one that hangs on a slow API must not hold up the others. */
const CONCURRENCY = 4;
const BACKOFF = { minMs: 500, maxMs: 60_000 };

export class Controller implements Closable {
	readonly #options: ControllerOptions;
	readonly #queue: WorkQueue<ObjectKey>;
	#leads = false;

	constructor(options: ControllerOptions) {
		this.#options = options;
		this.#queue = new WorkQueue({ backoff: BACKOFF, concurrency: CONCURRENCY }, (key) => this.#work(key));
		const { cache } = options;
		cache.fleets.onChange((fleet) => this.#enqueue(keyOf(fleet.metadata)));
		cache.pods.onChange((pod) => this.#enqueue(fleetOfPod(pod)));
		for (const informer of cache.children.values()) {
			informer.onChange((child) => this.#enqueue(fleetOfChild(child)));
		}
	}

	get depth(): number {
		return this.#queue.depth;
	}

	/** Looks at every fleet once, then at what changes. */
	lead(): void {
		this.#leads = true;
		for (const fleet of this.#options.cache.fleets.all()) {
			this.#queue.add(keyOf(fleet.metadata));
		}
		this.#queue.start();
	}

	/** Resolves when what was begun is over. */
	async close(): Promise<void> {
		this.#leads = false;
		await this.#queue.stop();
	}

	#enqueue(key: ObjectKey | undefined): void {
		if (this.#leads && key !== undefined) {
			this.#queue.add(key);
		}
	}

	async #work(key: ObjectKey): Promise<WorkResult> {
		const { reconciler, metrics } = this.#options;
		const startedAt = performance.now();
		const result = await reconciler.reconcile(key);
		metrics.observe('socketfleet_operator_reconcile_seconds', {}, (performance.now() - startedAt) / 1000);
		metrics.inc('socketfleet_operator_reconciles_total', { result: result.kind });
		return result;
	}
}

/** A pod belongs to a ReplicaSet; its labels tell the fleet. */
function fleetOfPod({ metadata: { namespace, labels } }: KubeObject): ObjectKey | undefined {
	const name = labels?.['app.kubernetes.io/instance'];
	return name === undefined ? undefined : keyOf({ ...(namespace === undefined ? {} : { namespace }), name });
}

function fleetOfChild(child: KubeObject): ObjectKey | undefined {
	const owner = controllerOf(child);
	const { namespace } = child.metadata;
	return owner?.kind === 'SocketFleet' ? keyOf({ ...(namespace === undefined ? {} : { namespace }), name: owner.name }) : undefined;
}
