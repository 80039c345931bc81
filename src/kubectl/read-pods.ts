/** What the pods of a fleet say of themselves. A pod that can't be asked is told so, and never holds up the others. */
import { messageOf } from '../base/errors.ts';
import type { PodStatus } from '../fleet/pod-status.ts';
import { type FleetPod, toFleetPod } from '../fleet/pods.ts';
import { isFailure } from '../kube/errors.ts';
import { type KubeObject, pickText } from '../kube/object.ts';

export interface ReadPod<T> {
	readonly object: KubeObject;
	readonly pod: FleetPod;
	/** Undefined when it did not answer. */
	readonly answer: T | undefined;
	/** Why it did not. */
	readonly problem: string | undefined;
}

/** All at once. Throws only when the cluster does not allow to ask: then it allows none. */
export function readPods<T>(objects: readonly KubeObject[], ask: (pod: KubeObject) => Promise<T>): Promise<readonly ReadPod<T>[]> {
	return Promise.all(
		objects.map(async (object) => {
			const pod = toFleetPod(object);
			const phase = pickText(object, 'status', 'phase');
			if (phase !== 'Running') {
				const problem = withoutName(pod.problem ?? `it is ${phase.toLowerCase() || 'not running'}`, pod.name);
				return { object, pod, answer: undefined, problem };
			}
			try {
				return { object, pod, answer: await ask(object), problem: undefined };
			} catch (error) {
				if (isFailure(error, 'forbidden')) {
					throw error;
				}
				return { object, pod, answer: undefined, problem: withoutName(pod.problem ?? messageOf(error), pod.name) };
			}
		}),
	);
}

/** Sentences that name their pod, without it: for where it is named anyway. */
export function withoutName(sentence: string, name: string): string {
	return sentence.startsWith(`pod ${name}`) ? sentence.slice(`pod ${name}`.length).replace(/^:? /, '') : sentence;
}

/** As in a table: what Kubernetes and the pod together say. */
export function noteOf({ pod, answer, problem }: ReadPod<PodStatus>): string {
	const state = pod.terminating ? 'terminating' : pod.drainingSinceMs === undefined ? '' : 'drains to be removed';
	const sentences = [state, problem ?? '', ...(answer?.reasons ?? [])].filter((each) => each !== '');
	return sentences.join('; ');
}
