/** Whether the pods run, answer, know each other and are of one version. */
import { isRollingOut } from '../../../fleet/deployment.ts';
import { conditionOf } from '../../../fleet/pods.ts';
import { pickText } from '../../../kube/object.ts';
import { fleetContainerStatus } from '../../container.ts';
import { withoutName } from '../../read-pods.ts';
import { type Check, type Examination, type ExaminedPod, findOnPods, sayOfPods, stayingPods } from '../examination.ts';
import type { Finding } from '../findings.ts';

/** A pod that has just started is given this long to become ready and to be known by the others. */
const STARTING_MS = 60_000;

export const checkPods: Check = (examination) => {
	const pods = stayingPods(examination);
	const grown = pods.filter(({ pod }) => examination.nowMs - pod.createdMs > STARTING_MS);
	return [
		...refused(examination),
		...findOnPods(
			pods,
			'pod-fails',
			({ pod }) => pod.problem && withoutName(pod.problem, pod.name),
			'kubectl describe pod names the cause; kubectl logs --previous has the last words of a crash.',
		),
		...findOnPods(grown, 'pod-not-ready', notReady, 'Mend what the sentence names; the log of the pod has more.'),
		...findOnPods(
			grown,
			'pod-silent',
			silent,
			'See its log; with admin.existingSecret, see that the Secret is the one that the pod was started with.',
		),
		...findOnPods(pods, 'out-of-service', outOfService, 'Delete the pod, or take it back: kubectl socketfleet drain POD --undo.'),
		...findOnPods(pods, 'worker-fails', failedWorkers, 'The log of the pod has the error of the last start, mostly of the application.'),
		...findOnPods(pods, 'out-of-memory', outOfMemory, 'Raise resources.limits.memory, or run fewer workers in a pod.'),
		...skew(examination),
		...apart(grown),
	];
};

function refused({ fleet: { deployment } }: Examination): readonly Finding[] {
	const failure = conditionOf(deployment, 'ReplicaFailure');
	return failure?.status === 'True'
		? [
				{
					id: 'pods-refused',
					seen: `Pods can't be created: ${failure.message ?? 'unknown'}`,
					fix: 'Raise the quota, or ask for less in resources.requests.',
				},
			]
		: [];
}

function notReady({ pod, status }: ExaminedPod): string | undefined {
	return pod.ready || pod.problem !== undefined || status === undefined || status.cordoned
		? undefined
		: `not ready: ${status.reasons.join('; ') || 'its readiness probe fails'}`;
}

function silent({ pod, status, problem }: ExaminedPod): string | undefined {
	return status === undefined && pod.problem === undefined ? `the admin port does not answer: ${problem ?? 'no reason given'}` : undefined;
}

function outOfService({ status }: ExaminedPod): string | undefined {
	return status?.cordoned && !status.draining ? 'out of service by request' : undefined;
}

function failedWorkers({ status }: ExaminedPod): string | undefined {
	const failed = status?.workers.filter(({ state }) => state === 'failed') ?? [];
	return failed.length === 0
		? undefined
		: failed.map(({ slot, failures }) => `worker ${slot} failed ${failures} times in a row`).join(', ');
}

function outOfMemory({ object }: ExaminedPod): string | undefined {
	const status = fleetContainerStatus(object);
	return [pickText(status, 'lastState', 'terminated', 'reason'), pickText(status, 'state', 'terminated', 'reason')].includes('OOMKilled')
		? 'its container was ended for using more memory than its limit'
		: undefined;
}

function skew(examination: Examination): readonly Finding[] {
	const pods = stayingPods(examination);
	const versions = new Set(pods.flatMap(({ status }) => status?.version ?? []));
	return isRollingOut(examination.fleet.deployment) || versions.size < 2
		? []
		: [
				{
					id: 'version-skew',
					seen: `No roll-out is under way and versions differ: ${sayOfPods(pods, ({ status }) => status?.version).join('; ')}.`,
					fix: 'kubectl rollout restart the Deployment, with an image tag that does not move and an imagePullPolicy that pulls it.',
				},
			];
}

/** Only fleets with Redis have others to know. */
function apart(pods: readonly ExaminedPod[]): readonly Finding[] {
	const connected = pods.filter(({ pod, status }) => pod.ready && status !== undefined && pod.readings?.redisUp === true);
	const stranger = ({ status }: ExaminedPod): string | undefined => {
		const unknown = connected.filter((other) => other.status && !status?.pods.includes(other.status.pod)).map(({ pod }) => pod.name);
		return unknown.length === 0 ? undefined : `does not know ${unknown.join(', ')}`;
	};
	return findOnPods(
		connected,
		'pods-apart',
		stranger,
		'Pods find each other in Redis by config.fleet: see that all have the same name, the same Redis and database.',
	);
}
