/**
 * The Deployment and ReplicaSet controllers of Kubernetes, as far as a rolling update goes, over the API server in memory. Follows
 * https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/controller/deployment/rolling.go and pkg/controller/replicaset/replica_set.go.
 */
import { createHash } from 'node:crypto';
import {
	controllerOf,
	type KubeObject,
	type ObjectMeta,
	type ObjectRef,
	type OwnerReference,
	pick,
	pickNumber,
	RESOURCES,
} from '../../src/kube/object.ts';
import { DELETION_COST_ANNOTATION } from '../../src/operator/api/fleet.ts';
import type { FakeKube } from './fake-kube.ts';

const REVISION = 'deployment.kubernetes.io/revision';
const HASH = 'pod-template-hash';

export interface PodWork {
	create(metadata: Pick<ObjectMeta, 'name' | 'labels' | 'annotations' | 'ownerReferences'>): void;
	remove(pod: KubeObject): void;
}

interface Version {
	readonly object: KubeObject;
	readonly hash: string;
	readonly revision: number;
	replicas: number;
	available: number;
}

export class DeploymentController {
	readonly #kube: FakeKube;
	readonly #ref: ObjectRef;
	readonly #work: PodWork;
	#created = 0;

	constructor(kube: FakeKube, ref: ObjectRef, work: PodWork) {
		this.#kube = kube;
		this.#ref = ref;
		this.#work = work;
	}

	/** Both controllers act once on what is there. */
	sync(nowMs: number): void {
		const deployment = this.#kube.objects(RESOURCES.Deployment).find(({ metadata }) => metadata.name === this.#ref.name);
		if (!deployment) {
			return;
		}
		const versions = this.#versions(deployment);
		const hash = hashOf(pick(deployment, 'spec', 'template'));
		const newest = versions.find((each) => each.hash === hash) ?? this.#createVersion(deployment, hash);
		const older = versions.filter((each) => each !== newest);
		if (!scaleNewest(deployment, newest, older)) {
			scaleOlder(deployment, newest, older);
		}
		const revision = Math.max(newest.revision, 1 + Math.max(0, ...older.map((each) => each.revision)));
		for (const version of [newest, ...older]) {
			this.#store(deployment, version, version === newest ? revision : version.revision, version === newest, nowMs);
		}
		this.#report(deployment, newest, [newest, ...older], revision);
	}

	#versions(deployment: KubeObject): Version[] {
		return this.#kube
			.objects(RESOURCES.ReplicaSet)
			.filter((each) => controllerOf(each)?.uid === deployment.metadata.uid)
			.map((object) => ({
				object,
				hash: object.metadata.labels?.[HASH] ?? '',
				revision: Number(object.metadata.annotations?.[REVISION] ?? 0),
				replicas: pickNumber(object, ['spec', 'replicas']),
				available: pickNumber(object, ['status', 'availableReplicas']),
			}));
	}

	#createVersion(deployment: KubeObject, hash: string): Version {
		const template = structuredClone(pick(deployment, 'spec', 'template')) as { metadata: { labels: Record<string, string> } };
		template.metadata.labels[HASH] = hash;
		const { namespace, name } = this.#ref;
		const labels = template.metadata.labels;
		const object = this.#kube.seed(RESOURCES.ReplicaSet, {
			metadata: { namespace, name: `${name}-${hash}`, labels, ownerReferences: [ownerOf(deployment)] },
			spec: { replicas: 0, template },
		});
		return { object, hash, revision: 0, replicas: 0, available: 0 };
	}

	#store(deployment: KubeObject, version: Version, revision: number, isNewest: boolean, nowMs: number): void {
		const { object, replicas } = version;
		const minReadySeconds = pickNumber(isNewest ? deployment : object, ['spec', 'minReadySeconds']);
		const spec = { ...(object.spec as object), replicas, minReadySeconds };
		const annotations = { ...object.metadata.annotations, [REVISION]: String(revision) };
		const { namespace, name } = { namespace: this.#ref.namespace, name: object.metadata.name };
		const pods = this.#fill(version, spec.replicas);
		const isAvailable = (pod: KubeObject): boolean => isReady(pod) && readySince(pod) + minReadySeconds * 1000 <= nowMs;
		version.available = pods.filter(isAvailable).length;
		this.#kube.seed(RESOURCES.ReplicaSet, {
			...object,
			metadata: { ...object.metadata, namespace, name, annotations },
			spec,
			status: { availableReplicas: version.available },
		});
	}

	/** Pods come and go until there are as many as there should be; those that are not ready go first, then the cheapest. */
	#fill({ object, hash }: Version, replicas: number): KubeObject[] {
		const pods = this.#podsOf(hash).sort((a, b) => Number(isReady(a)) - Number(isReady(b)) || costOf(a) - costOf(b));
		for (let missing = replicas - pods.length; missing > 0; missing--) {
			const template = pick(object, 'spec', 'template', 'metadata') as Pick<ObjectMeta, 'labels' | 'annotations'>;
			this.#work.create({ ...template, name: `${this.#ref.name}-${++this.#created}`, ownerReferences: [ownerOf(object)] });
		}
		for (const pod of pods.splice(0, Math.max(0, pods.length - replicas))) {
			this.#work.remove(pod);
		}
		return pods;
	}

	#podsOf(hash: string): KubeObject[] {
		return this.#kube
			.objects(RESOURCES.Pod)
			.filter(({ metadata }) => metadata.labels?.[HASH] === hash && metadata.deletionTimestamp === undefined);
	}

	#report(deployment: KubeObject, newest: Version, versions: readonly Version[], revision: number): void {
		const { metadata } = deployment;
		const existing = versions.reduce((sum, { hash }) => sum + this.#podsOf(hash).length, 0);
		this.#kube.seed(RESOURCES.Deployment, {
			...deployment,
			metadata: { ...metadata, ...this.#ref, annotations: { ...metadata.annotations, [REVISION]: String(revision) } },
			status: {
				observedGeneration: metadata.generation,
				replicas: existing,
				updatedReplicas: this.#podsOf(newest.hash).length,
				availableReplicas: versions.reduce((sum, { available }) => sum + available, 0),
			},
		});
	}
}

/** reconcileNewReplicaSet. */
function scaleNewest(deployment: KubeObject, newest: Version, older: readonly Version[]): boolean {
	const wanted = pickNumber(deployment, ['spec', 'replicas']);
	const maxTotal = wanted + pickNumber(deployment, ['spec', 'strategy', 'rollingUpdate', 'maxSurge']);
	const before = newest.replicas;
	newest.replicas = before > wanted ? wanted : before + Math.max(0, Math.min(maxTotal - totalOf([newest, ...older]), wanted - before));
	return newest.replicas !== before;
}

/** reconcileOldReplicaSets, with cleanupUnhealthyReplicas and scaleDownOldReplicaSetsForRollingUpdate. */
function scaleOlder(deployment: KubeObject, newest: Version, older: readonly Version[]): void {
	const wanted = pickNumber(deployment, ['spec', 'replicas']);
	const maxUnavailable = Math.min(wanted, pickNumber(deployment, ['spec', 'strategy', 'rollingUpdate', 'maxUnavailable']));
	const minAvailable = wanted - maxUnavailable;
	let mayGo = totalOf([newest, ...older]) - minAvailable - (newest.replicas - newest.available);
	if (totalOf(older) === 0 || mayGo <= 0) {
		return;
	}
	const byAge = older.toSorted((a, b) => Number(a.object.metadata.uid?.slice(4)) - Number(b.object.metadata.uid?.slice(4)));
	for (const version of byAge) {
		const unhealthy = Math.min(mayGo, version.replicas - version.available);
		version.replicas -= unhealthy;
		mayGo -= unhealthy;
	}
	let spare = [newest, ...older].reduce((sum, { available }) => sum + available, 0) - minAvailable;
	for (const version of byAge) {
		const down = Math.max(0, Math.min(version.replicas, spare));
		version.replicas -= down;
		spare -= down;
	}
}

function totalOf(versions: readonly Version[]): number {
	return versions.reduce((sum, { replicas }) => sum + replicas, 0);
}

function ownerOf({ apiVersion, kind, metadata: { name, uid = '' } }: KubeObject): OwnerReference {
	return { apiVersion, kind, name, uid, controller: true };
}

function hashOf(template: unknown): string {
	return createHash('sha256')
		.update(JSON.stringify(sorted(template)))
		.digest('hex')
		.slice(0, 8);
}

function sorted(value: unknown): unknown {
	if (Array.isArray(value)) {
		return value.map(sorted);
	}
	if (typeof value !== 'object' || value === null) {
		return value;
	}
	return Object.fromEntries(
		Object.entries(value)
			.sort(([a], [b]) => (a < b ? -1 : 1))
			.map(([key, child]) => [key, sorted(child)]),
	);
}

interface Readiness {
	readonly type: string;
	readonly status: string;
	readonly lastTransitionTime: string;
}

function readiness(pod: KubeObject): Readiness | undefined {
	return (pick(pod, 'status', 'conditions') as readonly Readiness[]).find(({ type }) => type === 'Ready');
}

export function isReady(pod: KubeObject): boolean {
	return readiness(pod)?.status === 'True';
}

function readySince(pod: KubeObject): number {
	return Date.parse(readiness(pod)?.lastTransitionTime ?? '');
}

function costOf({ metadata: { annotations = {} } }: KubeObject): number {
	return Number(annotations[DELETION_COST_ANNOTATION] ?? 0);
}
