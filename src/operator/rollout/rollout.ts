/**
 * Which template the Deployment has now, and which pod goes next for it. The operator drains a pod first and then lets the Deployment remove
 * exactly one, behind a gate that stays shut while no operator runs. Pure; nothing is remembered but what stands on the objects.
 */
import { isRollingOut } from '../../fleet/deployment.ts';
import type { FleetPod } from '../../fleet/pods.ts';
import { type KubeObject, pickNumber } from '../../kube/object.ts';
import { RESUME_ANNOTATION, type RolloutStatus, type SocketFleet } from '../api/fleet.ts';
import { type PodTemplate, type RolloutGate, readGate, readPodTemplate } from '../desired/deployment.ts';
import { shortHash } from '../desired/short-hash.ts';
import { chooseVictim, judgeDrain } from '../scale/drain.ts';
import type { ScaleDecision } from '../scale/scale-down.ts';
import { findFailure } from './failure.ts';
import { isObserved, type Revisions } from './revisions.ts';

export interface RolloutInput {
	readonly fleet: SocketFleet;
	readonly deployment: KubeObject | undefined;
	/** As the spec says. */
	readonly wanted: PodTemplate;
	/** Undefined while they are not known; see `needsRevisions`. */
	readonly revisions: Revisions | undefined;
	readonly pods: readonly FleetPod[];
	readonly nowMs: number;
}

export interface RolloutDecision {
	/** Old pods are left, or the template is about to change. */
	readonly underWay: boolean;
	/** Pods of the newest version. */
	readonly updated: number;
	readonly total: number;
	readonly template: PodTemplate;
	readonly gate: RolloutGate | undefined;
	/** While it leads nothing else scales. */
	readonly scale: ScaleDecision | undefined;
	/** Undefined: all is well with it. */
	readonly status: RolloutStatus | undefined;
}

/** Beyond a pod's grace period, after which it is not waited for: one on a node that is lost never goes. */
const STUCK_MS = 30_000;
const SHUT: RolloutGate = { maxUnavailable: 0 };

export function decideRollout(input: RolloutInput): RolloutDecision {
	const { deployment, fleet } = input;
	if (deployment === undefined || !fleet.spec.rollout.paced) {
		return leaveAlone(input);
	}
	const look = lookAt(input, deployment);
	const template = chooseTemplate(look);
	return template.hash === look.live.hash ? proceed(look, template) : change(look, template);
}

/** The key of what is wished for: a roll-out that failed stays so until this changes. */
export function rolloutKey(
	wanted: PodTemplate,
	{ minRecoveredPercent, maxErrorPercent, onFailure }: SocketFleet['spec']['rollout'],
): string {
	return shortHash({ template: wanted.hash, minRecoveredPercent, maxErrorPercent, onFailure });
}

/** Whether the ReplicaSets must be read: not for a fleet that is at rest. */
export function needsRevisions(deployment: KubeObject | undefined, pods: number): boolean {
	return (
		deployment !== undefined &&
		(readGate(deployment) !== undefined || isRollingOut(deployment) || pods > pickNumber(deployment, ['spec', 'replicas']))
	);
}

/** Not led: the Deployment replaces pods as its own settings say. */
function leaveAlone({ deployment, wanted }: RolloutInput): RolloutDecision {
	const updated = pickNumber(deployment, ['status', 'updatedReplicas']);
	const total = pickNumber(deployment, ['spec', 'replicas']);
	return { underWay: isRollingOut(deployment), updated, total, template: wanted, gate: undefined, scale: undefined, status: undefined };
}

/** What all steps of one decision are taken from. */
interface Look extends RolloutInput {
	readonly deployment: KubeObject;
	readonly live: PodTemplate;
	readonly key: string;
	readonly isApproved: boolean;
	/** It failed before, and nobody has said to go on. */
	readonly halt: RolloutStatus | undefined;
	/** Pods that are not on their way out. */
	readonly alive: readonly FleetPod[];
	/** What the Deployment is to have. A roll-out lets it grow and makes shrinking wait. */
	readonly replicas: number;
	readonly delayMs: number;
}

function lookAt(input: RolloutInput, deployment: KubeObject): Look {
	const { fleet, wanted, pods } = input;
	const key = rolloutKey(wanted, fleet.spec.rollout);
	const isApproved = fleet.metadata.annotations?.[RESUME_ANNOTATION] === key;
	const before = fleet.status?.rollout;
	return {
		...input,
		deployment,
		live: readPodTemplate(deployment),
		key,
		isApproved,
		halt: before?.key === key && !isApproved ? before : undefined,
		alive: pods.filter(({ terminating }) => !terminating),
		replicas: Math.max(fleet.spec.replicas, pickNumber(deployment, ['spec', 'replicas'])),
		delayMs: fleet.spec.drain.delaySeconds * 1000,
	};
}

function chooseTemplate({ halt, live, wanted, revisions }: Look): PodTemplate {
	if (halt === undefined) {
		return wanted;
	}
	const goesBack = halt.state === 'rolledBack' && live.hash === wanted.hash;
	return (goesBack ? revisions?.settled?.template : undefined) ?? live;
}

/**
 * A Deployment that has a pod more than it should removes one at once when its template changes, of the version that was the newest until
 * then: that pod is drained before.
 */
function change(look: Look, template: PodTemplate): RolloutDecision {
	const { alive, deployment, live, revisions, replicas } = look;
	if (alive.length <= pickNumber(deployment, ['spec', 'replicas'])) {
		return lead(look, template, alive.length + replicas === 0 ? undefined : SHUT);
	}
	const victim = revisions && chooseVictim(alive.filter(({ templateHash }) => templateHash === revisions.newest));
	if (revisions === undefined || victim === undefined) {
		return hold(look, live);
	}
	const state = judgeDrain(victim, look.delayMs, look.nowMs);
	const scale = { victim, pardoned: markedOf(alive, victim), state };
	return state === 'draining' ? lead(look, live, shut(look, revisions), scale) : lead(look, template, SHUT, scale);
}

function proceed(look: Look, template: PodTemplate): RolloutDecision {
	const { alive, deployment, halt, live, revisions, wanted } = look;
	if (revisions === undefined) {
		const atRest = readGate(deployment) === undefined && !(isObserved(deployment) && isRollingOut(deployment));
		return atRest ? rest(look, template) : hold(look, template);
	}
	const older = alive.filter(({ templateHash }) => templateHash !== revisions.newest);
	if (revisions.olderReplicas === 0 && older.length === 0) {
		return rest(look, template);
	}
	const failed = halt ?? judge(look, revisions);
	// One that was rolled back goes on, with the pods that failed as the old ones.
	if (failed !== undefined && live.hash === wanted.hash) {
		return { ...lead(look, template, shut(look, revisions), { pardoned: markedOf(alive), state: 'waiting' }), status: failed };
	}
	return replaceNext(look, template, revisions, older);
}

function judge({ alive, fleet, isApproved, key, nowMs }: Look, { newest, settled }: Revisions): RolloutStatus | undefined {
	const { rollout } = fleet.spec;
	const fresh = alive.filter(({ templateHash }) => templateHash === newest);
	const message = isApproved ? undefined : findFailure(fresh, rollout, nowMs);
	const state = rollout.onFailure === 'rollBack' && settled !== undefined ? 'rolledBack' : 'stopped';
	return message === undefined ? undefined : { key, state, message };
}

function replaceNext(look: Look, template: PodTemplate, revisions: Revisions, older: readonly FleetPod[]): RolloutDecision {
	const { alive, deployment, delayMs, nowMs } = look;
	const begun = markedOf(older);
	// Those of a roll-out that did not come to its end go first: what is left to go back to is what was before it.
	const unsettled = older.filter(({ templateHash }) => templateHash !== revisions.settled?.hash);
	const next = mayNextGo(look, revisions) ? (unsettled.length > 0 ? unsettled : older) : [];
	const victim = chooseVictim(begun.length > 0 ? begun : next);
	const pardoned = markedOf(alive, victim);
	const closed = shut(look, revisions);
	if (victim === undefined) {
		return lead(look, template, closed, { pardoned, state: 'waiting' });
	}
	const state = judgeDrain(victim, delayMs, nowMs);
	// With fewer old pods to be than there are, one is on its way out already.
	const goes = state !== 'draining' && revisions.olderReplicas >= older.length;
	const gate = goes ? open(look, revisions) : closed;
	const isSaid = !goes || readGate(deployment)?.maxUnavailable === gate.maxUnavailable;
	return lead(look, template, gate, { victim, pardoned, state: state !== 'draining' && isSaid ? 'waiting' : state });
}

/** The new pods have proven themselves, nobody leaves, and there is one to spare. */
function mayNextGo({ alive, fleet, pods, replicas, nowMs }: Look, { newest }: Revisions): boolean {
	const minReadyMs = fleet.spec.rollout.minReadySeconds * 1000;
	const fresh = alive.filter(({ templateHash }) => templateHash === newest);
	const leaving = pods.some(({ terminating, goneByMs }) => terminating && nowMs < goneByMs + STUCK_MS);
	// A time far in the future is that of another clock: it is as good as one in the past.
	const proven = fresh.every(({ ready, readyChangedMs }) => ready && Math.abs(nowMs - readyChangedMs) >= minReadyMs);
	return !leaving && fresh.length > 0 && proven && alive.length > replicas;
}

/** As many old pods as are to be there, and no fewer. */
function shut({ replicas }: Look, { olderReplicas }: Revisions): RolloutGate {
	return { maxUnavailable: Math.max(0, replicas - olderReplicas) };
}

/** One fewer. */
function open({ replicas }: Look, { olderReplicas }: Revisions): RolloutGate {
	return { maxUnavailable: Math.max(0, replicas - olderReplicas + 1) };
}

/** Until more is known. */
function hold(look: Look, template: PodTemplate): RolloutDecision {
	return lead(look, template, readGate(look.deployment) ?? SHUT);
}

function rest(look: Look, template: PodTemplate): RolloutDecision {
	return { ...lead(look, template, undefined), underWay: false, scale: undefined };
}

function lead(
	{ alive, halt, replicas, revisions }: Look,
	template: PodTemplate,
	gate: RolloutGate | undefined,
	scale: Omit<ScaleDecision, 'replicas'> = { pardoned: [], state: 'waiting' },
): RolloutDecision {
	const updated = alive.filter(({ templateHash }) => templateHash === revisions?.newest).length;
	return { underWay: true, updated, total: replicas, template, gate, scale: { replicas, ...scale }, status: halt };
}

function markedOf(pods: readonly FleetPod[], except?: FleetPod): readonly FleetPod[] {
	return pods.filter((pod) => pod.drainingSinceMs !== undefined && pod !== except);
}
