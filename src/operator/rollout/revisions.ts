/** Versions of a Deployment's pods, from its ReplicaSets. Pure. */
import { controllerOf, type KubeObject, pick, pickNumber } from '../../kube/object.ts';
import type { JsonObject } from '../api/field.ts';
import type { PodTemplate } from '../desired/deployment.ts';
import { shortHash } from '../desired/short-hash.ts';

const REVISION_ANNOTATION = 'deployment.kubernetes.io/revision';
const HASH_LABEL = 'pod-template-hash';

export interface Revisions {
	/** Template hash of the newest version's pods. */
	readonly newest: string;
	/** Pods that older versions are to have. */
	readonly olderReplicas: number;
	/** The version whose roll-out was the last to come to its end: of those that still have pods, the oldest. */
	readonly settled: { readonly hash: string; readonly template: PodTemplate } | undefined;
}

/** Undefined while the Deployment's controller has not acted on what was applied last, or the two were not read at the same time. */
export function toRevisions(deployment: KubeObject, replicaSets: readonly KubeObject[]): Revisions | undefined {
	const ofThis = replicaSets.filter((each) => controllerOf(each)?.uid === deployment.metadata.uid);
	const [newest, ...older] = ofThis.sort((a, b) => revisionOf(b) - revisionOf(a));
	if (!isObserved(deployment) || newest === undefined || revisionOf(newest) !== revisionOf(deployment)) {
		return undefined;
	}
	const present = older.filter((each) => replicasOf(each) > 0);
	const settled = present.at(-1);
	return {
		newest: hashOf(newest),
		olderReplicas: present.reduce((sum, each) => sum + replicasOf(each), 0),
		settled: settled && { hash: hashOf(settled), template: templateOf(settled) },
	};
}

export function isObserved(deployment: KubeObject): boolean {
	return pickNumber(deployment, ['status', 'observedGeneration']) >= (deployment.metadata.generation ?? 0);
}

function templateOf(replicaSet: KubeObject): PodTemplate {
	const { labels, annotations } = pick(replicaSet, 'spec', 'template', 'metadata') as { labels: JsonObject; annotations?: JsonObject };
	// The Deployment's controller adds it anew.
	const { [HASH_LABEL]: _, ...ours } = labels;
	const spec = pick(replicaSet, 'spec', 'template', 'spec') as JsonObject;
	const body = { metadata: { labels: ours, ...(annotations === undefined ? {} : { annotations }) }, spec };
	return { hash: shortHash(body), body };
}

function hashOf({ metadata: { labels } }: KubeObject): string {
	return labels?.[HASH_LABEL] ?? '';
}

function revisionOf({ metadata: { annotations } }: KubeObject): number {
	return Number(annotations?.[REVISION_ANNOTATION] ?? 0);
}

function replicasOf(replicaSet: KubeObject): number {
	return pickNumber(replicaSet, ['spec', 'replicas']);
}
