/** The informers of one operator, by kind. Secrets have none: the operator may read single Secrets, not list them. */
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import { FLEET_PODS_SELECTOR, isOver } from '../fleet/pods.ts';
import type { KubeClient } from '../kube/client.ts';
import { Informer } from '../kube/informer.ts';
import { type KubeObject, type ObjectRef, RESOURCES } from '../kube/object.ts';
import { CORE_KINDS, OPTIONAL_KINDS } from './desired/desired.ts';
import { MANAGED_SELECTOR } from './desired/names.ts';

export const WATCHED_KINDS = [...CORE_KINDS.filter((kind) => kind !== 'Secret'), ...OPTIONAL_KINDS];
export type WatchedKind = (typeof WATCHED_KINDS)[number];

export interface CacheOptions {
	readonly client: KubeClient;
	readonly namespace: string | undefined;
	readonly log: Logger;
	readonly onRestart: (resource: string, reason: string) => void;
}

/** How soon a definition is noticed that was installed after the operator was. */
const OPTIONAL_RELIST_MS = 120_000;

export class Cache implements Closable {
	readonly fleets: Informer;
	readonly pods: Informer;
	readonly children: ReadonlyMap<WatchedKind, Informer>;

	constructor({ client, namespace, log, onRestart }: CacheOptions) {
		const create = (kind: keyof typeof RESOURCES, labelSelector: string | undefined, optional = false): Informer =>
			new Informer({
				client,
				resource: RESOURCES[kind],
				scope: { namespace, ...(labelSelector === undefined ? {} : { labelSelector }) },
				log,
				onRestart: (reason) => onRestart(RESOURCES[kind].plural, reason),
				...(optional ? { optional, relistMs: OPTIONAL_RELIST_MS } : {}),
			});
		this.fleets = create('SocketFleet', undefined);
		this.pods = create('Pod', FLEET_PODS_SELECTOR);
		const optional = new Set<string>(OPTIONAL_KINDS);
		this.children = new Map(WATCHED_KINDS.map((kind) => [kind, create(kind, MANAGED_SELECTOR, optional.has(kind))]));
	}

	get all(): readonly Informer[] {
		return [this.fleets, this.pods, ...this.children.values()];
	}

	/** Resolves when every collection is known. */
	async start(): Promise<void> {
		await Promise.all(this.all.map((informer) => informer.start()));
	}

	get hasSynced(): boolean {
		return this.all.every(({ hasSynced }) => hasSynced);
	}

	childrenOf(uid: string): readonly KubeObject[] {
		return [...this.children.values()].flatMap((informer) => informer.ownedBy(uid));
	}

	podsOf({ namespace, name }: ObjectRef): readonly KubeObject[] {
		return this.podsIn(namespace).filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/instance'] === name);
	}

	/** Of all fleets of the namespace, those of the chart too. */
	podsIn(namespace: string): readonly KubeObject[] {
		return this.pods.all().filter((pod) => pod.metadata.namespace === namespace && !isOver(pod));
	}

	async close(): Promise<void> {
		await Promise.all(this.all.map((informer) => informer.close()));
	}
}
