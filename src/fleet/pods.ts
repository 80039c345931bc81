/** Pods of a fleet, from the API's objects: the same whether the chart or the operator made them. Pure. */
import { type KubeObject, pick, pickList, pickNumber, pickText } from '../kube/object.ts';
import type { PodReadings } from './readings.ts';

/** Selects the pods of all fleets, those of charts too; bundled Redis carries another component. */
export const FLEET_PODS_SELECTOR = 'app.kubernetes.io/name=socketfleet,app.kubernetes.io/component=fleet';
/** On a pod: since when it drains to be removed, as RFC 3339. */
export const DRAINING_ANNOTATION = 'socketfleet.dev/draining-since';
/** On such a pod: when it goes even if it still has connections. */
export const DRAIN_UNTIL_ANNOTATION = 'socketfleet.dev/drain-until';
const TEMPLATE_HASH_LABEL = 'pod-template-hash';

export interface FleetPod {
	readonly name: string;
	readonly namespace: string;
	readonly uid: string;
	/** Empty until it has one. */
	readonly ip: string;
	readonly ready: boolean;
	/** When it last became ready or ceased to be. */
	readonly readyChangedMs: number;
	/** Which template of the Deployment it was made from. */
	readonly templateHash: string;
	readonly terminating: boolean;
	/** When one that terminates is to be gone at the latest. */
	readonly goneByMs: number;
	readonly createdMs: number;
	/** Since when it drains to be removed. */
	readonly drainingSinceMs: number | undefined;
	readonly drainUntilMs: number;
	/** Why it does not run, as a sentence. */
	readonly problem: string | undefined;
	/** Undefined when it did not answer. */
	readonly readings: PodReadings | undefined;
	/** What it says is wrong with it. */
	readonly reasons: readonly string[];
}

const HARMLESS = new Set(['ContainerCreating', 'PodInitializing']);

export function toFleetPod(pod: KubeObject): FleetPod {
	const { name, namespace = '', uid = '', annotations = {}, labels = {}, creationTimestamp = '', deletionTimestamp } = pod.metadata;
	const since = Date.parse(annotations[DRAINING_ANNOTATION] ?? '');
	const ready = conditionOf(pod, 'Ready');
	return {
		name,
		namespace,
		uid,
		ip: pickText(pod, 'status', 'podIP'),
		ready: ready?.status === 'True',
		readyChangedMs: Date.parse(ready?.lastTransitionTime ?? '') || 0,
		templateHash: labels[TEMPLATE_HASH_LABEL] ?? '',
		terminating: deletionTimestamp !== undefined,
		goneByMs: Date.parse(deletionTimestamp ?? '') || 0,
		createdMs: Date.parse(creationTimestamp) || 0,
		drainingSinceMs: Number.isNaN(since) ? undefined : since,
		drainUntilMs: Date.parse(annotations[DRAIN_UNTIL_ANNOTATION] ?? '') || 0,
		problem: problemOf(pod),
		readings: undefined,
		reasons: [],
	};
}

/** An evicted pod stays as an object for long; it is none of the fleet any more. */
export function isOver(pod: KubeObject): boolean {
	return ['Succeeded', 'Failed'].includes(pickText(pod, 'status', 'phase'));
}

/** An image that can't be pulled, a Secret that is missing, a crash, no room on the nodes. */
function problemOf(pod: KubeObject): string | undefined {
	const { name } = pod.metadata;
	const statuses = pickList(pod, 'status', 'containerStatuses');
	for (const status of statuses) {
		const waiting = pick(status, 'state', 'waiting');
		const reason = pickText(waiting, 'reason');
		if (reason !== '' && !HARMLESS.has(reason)) {
			const detail = pickText(waiting, 'message') || pickText(status, 'lastState', 'terminated', 'reason');
			const exit = pickNumber(status, ['lastState', 'terminated', 'exitCode'], -1);
			const code = exit < 0 ? '' : `, exit code ${exit}`;
			return `pod ${name}: ${reason}${detail === '' ? '' : ` (${detail}${code})`}`;
		}
	}
	const scheduled = conditionOf(pod, 'PodScheduled');
	return scheduled?.status === 'False'
		? `pod ${name} finds no node: ${scheduled.message ?? scheduled.reason ?? 'unschedulable'}`
		: undefined;
}

interface ApiCondition {
	readonly type: string;
	readonly status: string;
	readonly reason?: string;
	readonly message?: string;
	readonly lastTransitionTime?: string;
}

/** A condition in the status of any object. */
export function conditionOf(object: KubeObject | undefined, type: string): ApiCondition | undefined {
	return pickList(object, 'status', 'conditions').find((each): each is ApiCondition => pick(each, 'type') === type);
}
