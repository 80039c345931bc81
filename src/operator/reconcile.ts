/** One look at one fleet: observe, plan, act, say so. Level-triggered: it knows only the key, and may be stopped anywhere and begun again. */
import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { FleetPod } from '../fleet/pods.ts';
import type { PodReadings } from '../fleet/readings.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Condition, ConditionStatus } from '../kube/conditions.ts';
import { isFailure } from '../kube/errors.ts';
import type { EventInput, EventRecorder } from '../kube/events.ts';
import { apiVersionOf, type KubeObject, type ObjectKey, pick, RESOURCES, toSelector } from '../kube/object.ts';
import type { WorkResult } from '../kube/work-queue.ts';
import type { Metrics } from '../metrics/registry.ts';
import { applyDefaults } from './api/defaults.ts';
import { FINALIZER, PAUSED_ANNOTATION, type SocketFleet } from './api/fleet.ts';
import type { Cache } from './cache.ts';
import { applyChildren, FIELD_MANAGER, pruneChildren } from './children.ts';
import { buildPodTemplate } from './desired/deployment.ts';
import { buildDesired } from './desired/desired.ts';
import { drainSeconds, type FleetInput, type Labels } from './desired/names.ts';
import { isRotationRefused } from './desired/secrets.ts';
import { buildPlan, OBSERVE_MS } from './plan.ts';
import { carryOutScale, type PodTools, readPods, shedConnections } from './pod-actions.ts';
import type { PodAdmin } from './pod-admin.ts';
import { type Revisions, toRevisions } from './rollout/revisions.ts';
import { needsRevisions } from './rollout/rollout.ts';
import { readSecrets } from './secret-reader.ts';
import { buildStatus } from './status.ts';
import type { StatusInput } from './verdicts.ts';

export interface ReconcilerOptions {
	readonly client: KubeClient;
	readonly cache: Cache;
	readonly podAdmin: PodAdmin;
	readonly events: Pick<EventRecorder, 'record'>;
	readonly metrics: Metrics;
	readonly log: Logger;
	readonly now?: () => Date;
}

const DONE: WorkResult = { kind: 'done' };
/** While a fleet that goes is drained. */
const LEAVING_MS = 1000;
/** Problems that a change elsewhere may solve without an event that we see. */
const PROBLEM_MS = 30_000;
const WORD = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

export class Reconciler {
	readonly #options: ReconcilerOptions;
	/** The last readings of each fleet's pods, by uid. Losing them costs one comparison. */
	readonly #earlier = new Map<ObjectKey, ReadonlyMap<string, PodReadings>>();

	constructor(options: ReconcilerOptions) {
		this.#options = options;
	}

	/** Never throws. */
	async reconcile(key: ObjectKey): Promise<WorkResult> {
		const { cache, log } = this.#options;
		const found = cache.fleets.get(key);
		if (!found) {
			this.#earlier.delete(key);
			return DONE;
		}
		const fleet = { ...found, spec: applyDefaults((found.spec ?? {}) as object) } as SocketFleet;
		try {
			return fleet.metadata.deletionTimestamp === undefined ? await this.#keep(key, fleet) : await this.#letGo(key, fleet);
		} catch (error) {
			if (!isFailure(error, 'conflict')) {
				log.error({ fleet: key, err: messageOf(error) }, 'reconciling failed and is tried again');
			}
			return { kind: 'failed', error };
		}
	}

	async #keep(key: ObjectKey, fleet: SocketFleet): Promise<WorkResult> {
		if (!fleet.metadata.finalizers?.includes(FINALIZER)) {
			await this.#setFinalizers(fleet, [...(fleet.metadata.finalizers ?? []), FINALIZER]);
		}
		const { client, cache } = this.#options;
		const input = toInput(fleet);
		const isPaused = fleet.metadata.annotations?.[PAUSED_ANNOTATION] === 'true';
		const deployment = cache.children.get('Deployment')?.get(key);
		const { secrets, lookup, token, adminToken } = await readSecrets(client, input);
		const tools: PodTools = { ...this.#options, token, adminToken };
		const pods = await readPods(tools, cache.podsOf(input));
		const now = this.#now();
		if (isPaused) {
			await this.#report(key, { fleet, deployment, pods, plan: undefined, problems: [], now });
			return { kind: 'requeue', afterMs: OBSERVE_MS };
		}
		const { revisions, unread = [] } = fleet.spec.rollout.paced ? await this.#readRevisions(deployment, pods.length) : {};
		const plan = buildPlan({ fleet, deployment, wanted: buildPodTemplate(input), revisions, pods, nowMs: now.getTime() });
		const desired = buildDesired(input, { steering: plan.steering, lookup, random: randomWord });
		const children = { client, cache, fleet, secrets };
		// Marks before replicas: a ReplicaSet that already removes a pod reads no mark that comes later.
		const podProblems = await carryOutScale(tools, plan.scale, fleet.spec);
		const problems = [
			...(isRotationRefused(input, lookup)
				? ['fleetKey.rotation can only be raised by one at a time, and each step must be rolled out: set it back']
				: []),
			...unread,
			...podProblems,
			...(await applyChildren(children, desired)),
			...(await pruneChildren(children, desired)),
		];
		// The round stands in the status before it runs: an operator that ends in between runs it less than once, never twice.
		await this.#report(key, { fleet, deployment, pods, plan, problems, now });
		await this.#say(fleet, plan.events);
		if (!fleet.spec.rebalance.dryRun) {
			await shedConnections(tools, plan.rebalance.closes);
		}
		this.#count(plan.scale.state, plan.rebalance.closes.length > 0 && !fleet.spec.rebalance.dryRun);
		const againMs = problems.length > 0 ? Math.min(PROBLEM_MS, plan.againMs ?? PROBLEM_MS) : plan.againMs;
		return againMs === undefined ? DONE : { kind: 'requeue', afterMs: againMs };
	}

	/** `unread`: why they can't be read, as sentences. The roll-out waits; the rest of the fleet does not. */
	async #readRevisions(
		deployment: KubeObject | undefined,
		pods: number,
	): Promise<{ revisions?: Revisions | undefined; unread?: string[] }> {
		if (deployment === undefined || !needsRevisions(deployment, pods)) {
			return {};
		}
		const { namespace = '' } = deployment.metadata;
		const labelSelector = toSelector(pick(deployment, 'spec', 'selector', 'matchLabels') as Labels);
		try {
			const { items } = await this.#options.client.list(RESOURCES.ReplicaSet, { namespace, labelSelector });
			return { revisions: toRevisions(deployment, items) };
		} catch (error) {
			if (!isFailure(error, 'forbidden')) {
				throw error;
			}
			return { unread: [`the roll-out waits: ${messageOf(error)} (an operator newer than its chart lacks rights: upgrade the chart)`] };
		}
	}

	/** A fleet that goes: its connections are closed at the pace of a drain, then the garbage collector removes what it owned. */
	async #letGo(key: ObjectKey, fleet: SocketFleet): Promise<WorkResult> {
		const { cache, client } = this.#options;
		const { finalizers = [], deletionTimestamp = '' } = fleet.metadata;
		if (!finalizers.includes(FINALIZER)) {
			return DONE;
		}
		const input = toInput(fleet);
		const { token, adminToken } = await readSecrets(client, input);
		const tools: PodTools = { ...this.#options, token, adminToken };
		const pods = (await readPods(tools, cache.podsOf(input))).filter(({ terminating }) => !terminating);
		const overMs = Date.parse(deletionTimestamp) + drainSeconds(fleet.spec) * 1000;
		const left = pods.reduce((sum, { readings }) => sum + (readings?.connections ?? 0), 0);
		const overdue = this.#now().getTime() > overMs;
		if (left > 0 && !overdue) {
			await this.#say(fleet, [{ type: 'Normal', reason: 'Deleting', message: 'Closing the connections before the fleet goes.' }]);
			await Promise.all(pods.map((pod) => cordonQuietly(tools, pod, fleet.spec.drain.spreadSeconds * 1000)));
			const deployment = cache.children.get('Deployment')?.get(key);
			await this.#report(key, { fleet, deployment, pods, plan: undefined, problems: [], now: this.#now() });
			return { kind: 'requeue', afterMs: LEAVING_MS };
		}
		if (left > 0) {
			const message = `${left} connections did not close in time and are cut.`;
			await this.#say(fleet, [{ type: 'Warning', reason: 'DrainOverdue', message }]);
		}
		await this.#setFinalizers(
			fleet,
			finalizers.filter((each) => each !== FINALIZER),
		);
		return DONE;
	}

	async #report(key: ObjectKey, input: Omit<StatusInput, 'earlier'>): Promise<void> {
		const { client, cache } = this.#options;
		const { fleet, pods } = input;
		const status = buildStatus({ ...input, earlier: this.#earlier.get(key) ?? new Map() });
		this.#earlier.set(key, new Map(pods.flatMap(({ uid, readings }) => (readings ? [[uid, readings]] : []))));
		if (isDeepStrictEqual(status, fleet.status)) {
			return;
		}
		const { name, namespace = '' } = fleet.metadata;
		const object = { apiVersion: apiVersionOf(RESOURCES.SocketFleet), kind: 'SocketFleet', metadata: { name, namespace }, status };
		cache.fleets.remember(await client.apply(RESOURCES.SocketFleet, object, { fieldManager: FIELD_MANAGER, subresource: 'status' }));
		await this.#say(fleet, alarms(fleet, status.conditions));
	}

	/** With the version that was seen: a finalizer that someone else set in between must not get lost. */
	async #setFinalizers(fleet: SocketFleet, finalizers: readonly string[]): Promise<void> {
		const { client, cache } = this.#options;
		const { name, namespace = '', resourceVersion } = fleet.metadata;
		const written = await client.patch(
			RESOURCES.SocketFleet,
			{ name, namespace },
			{ metadata: { finalizers, resourceVersion } },
			FIELD_MANAGER,
		);
		if (fleet.metadata.deletionTimestamp === undefined) {
			cache.fleets.remember(written);
		}
	}

	async #say(fleet: SocketFleet, events: readonly EventInput[]): Promise<void> {
		for (const event of events) {
			await this.#options.events.record(fleet, event);
		}
	}

	#count(state: string, rebalanced: boolean): void {
		const { metrics } = this.#options;
		if (state === 'drained' || state === 'overdue') {
			metrics.inc('socketfleet_operator_drains_total', { result: state });
		}
		if (rebalanced) {
			metrics.inc('socketfleet_operator_rebalance_rounds_total', {});
		}
	}

	#now(): Date {
		return this.#options.now?.() ?? new Date();
	}
}

async function cordonQuietly(tools: PodTools, pod: FleetPod, spreadMs: number): Promise<void> {
	try {
		await tools.podAdmin.cordon(pod, tools.token, { delayMs: 0, spreadMs, maxPerSecond: 0 });
	} catch (error) {
		tools.log.info({ pod: pod.name, err: messageOf(error) }, 'a pod of a fleet that goes could not be told');
	}
}

/** The status of a condition that tells of something wrong. */
const WRONG: Readonly<Record<string, ConditionStatus>> = {
	Degraded: 'True',
	RedisReachable: 'False',
	RecoveryWindowCovered: 'False',
	AffinityHealthy: 'False',
};

/** When something goes wrong, or in another way than before; a number that changes in the sentence is no other way. */
function alarms({ status }: SocketFleet, conditions: readonly Condition[]): EventInput[] {
	const shape = (condition: Condition | undefined): string => `${condition?.status} ${condition?.message.replaceAll(/\d+/g, '0')}`;
	const isNew = (now: Condition): boolean => shape(status?.conditions?.find(({ type }) => type === now.type)) !== shape(now);
	return conditions
		.filter((now) => WRONG[now.type] === now.status && isNew(now))
		.map(({ reason, message }) => ({ type: 'Warning', reason, message }));
}

function toInput({ metadata: { name, namespace = '' }, spec }: SocketFleet): FleetInput {
	return { name, namespace, spec };
}

function randomWord(length: number): string {
	return Array.from({ length }, () => WORD[randomInt(WORD.length)]).join('');
}
