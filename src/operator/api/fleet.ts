/** The SocketFleet object: spec, status, and the names that have a meaning on it and on its pods. */
import type { RebalanceStatus } from '../../fleet/rebalance.ts';
import type { Condition } from '../../kube/conditions.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { FleetSpec } from './spec.ts';

export const GROUP = 'socketfleet.dev';
export const VERSION_NAME = 'v1alpha1';
export const FINALIZER = `${GROUP}/drain`;
/** On a SocketFleet, `true`: the operator looks and does nothing. */
export const PAUSED_ANNOTATION = `${GROUP}/paused`;
/** On a SocketFleet, `true`: objects of its names that exist already become its own, as when a chart's release is taken over. */
export const ADOPT_ANNOTATION = `${GROUP}/adopt`;
/** On a SocketFleet: the key of a roll-out that was stopped or rolled back, as its condition gives it. It goes on, whatever the readings. */
export const RESUME_ANNOTATION = `${GROUP}/resume`;
/** On a Deployment: a hash of the pod template that was asked for. */
export const TEMPLATE_ANNOTATION = `${GROUP}/template`;
export const DELETION_COST_ANNOTATION = 'controller.kubernetes.io/pod-deletion-cost';

export const CONDITION_TYPES = ['Ready', 'Progressing', 'Degraded', 'RedisReachable', 'RecoveryWindowCovered', 'AffinityHealthy'] as const;
export type ConditionType = (typeof CONDITION_TYPES)[number];

/** A roll-out that did not do well. It is left alone until the pod template or its bounds change, or the resume annotation names it. */
export interface RolloutStatus {
	/** Of the template and the bounds that it was judged by. */
	readonly key: string;
	readonly state: 'stopped' | 'rolledBack';
	/** What passed which bound. */
	readonly message: string;
}

export interface FleetStatus {
	readonly observedGeneration?: number;
	/** Pods that exist, for the scale subresource. */
	readonly replicas: number;
	readonly readyReplicas: number;
	readonly updatedReplicas: number;
	/** Selector of the pods as text, for the scale subresource. */
	readonly selector: string;
	readonly connections: number;
	/** Worker processes that are ready, of all pods. */
	readonly workers: number;
	/** Tag or digest of the image. */
	readonly version: string;
	/** The pod that drains to be removed. */
	readonly drainingPod?: string;
	readonly rebalance?: RebalanceStatus;
	readonly rollout?: RolloutStatus;
	readonly conditions: readonly Condition[];
}

export interface SocketFleet extends KubeObject {
	readonly spec: FleetSpec;
	readonly status?: Partial<FleetStatus>;
}
