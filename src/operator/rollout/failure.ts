/** Whether the new pods of a roll-out do well enough for it to go on. Pure. What is counted is what the alerts count. */
import type { FleetPod } from '../../fleet/pods.ts';
import type { PodReadings } from '../../fleet/readings.ts';
import type { FleetSpec } from '../api/spec.ts';

/** A share of fewer proves nothing. */
const MIN_OUTCOMES = 20;
/** More than bad luck: a version whose handlers crash is in no other count, since its clients were let in. */
const MIN_DEATHS = 5;
/** As a Deployment's progress deadline. */
const START_MS = 600_000;

/** What has passed which bound, as a sentence without its end. Counters begin with a pod, so that a new pod's are of this roll-out only. */
export function findFailure(pods: readonly FleetPod[], bounds: FleetSpec['rollout'], nowMs: number): string | undefined {
	const sum = (of: (readings: PodReadings) => number): number =>
		pods.reduce((all, { readings }) => all + (readings === undefined ? 0 : of(readings)), 0);
	const recovered = sum(({ recoveredClients }) => recoveredClients);
	const returned = recovered + sum(({ refusedClients }) => refusedClients);
	const unserved = sum(({ unservedConnections }) => unservedConnections);
	const attempts = unserved + sum(({ openedSessions }) => openedSessions);
	const failed = sum(({ failedPublishes }) => failedPublishes);
	const published = sum((readings) => readings.published);
	const { minRecoveredPercent, maxErrorPercent, onFailure } = bounds;
	if (returned >= MIN_OUTCOMES && percent(recovered, returned) < minRecoveredPercent) {
		return `the new pods recovered ${percent(recovered, returned)}% of ${returned} clients that came back, rollout.minRecoveredPercent is ${minRecoveredPercent}`;
	}
	if (attempts >= MIN_OUTCOMES && percent(unserved, attempts) > maxErrorPercent) {
		return `the new pods turned away ${percent(unserved, attempts)}% of ${attempts} connections, rollout.maxErrorPercent is ${maxErrorPercent}`;
	}
	if (published >= MIN_OUTCOMES && percent(failed, published) > maxErrorPercent) {
		return `the new pods failed to publish ${percent(failed, published)}% of ${published} messages in time, rollout.maxErrorPercent is ${maxErrorPercent}`;
	}
	const died = sum(({ diedWorkers }) => diedWorkers);
	if (died >= MIN_DEATHS && maxErrorPercent < 100) {
		return `workers of the new pods died ${died} times: their logs say why`;
	}
	// One that does not start holds up a roll-out by itself, and may still start: it is no reason to stop.
	const stuck = pods.find(({ ready, createdMs, problem }) => !ready && problem !== undefined && nowMs - createdMs > START_MS);
	return onFailure === 'rollBack' && stuck ? `a new pod is not ready after ten minutes: ${stuck.problem}` : undefined;
}

function percent(part: number, whole: number): number {
	return Math.round((1000 * part) / whole) / 10;
}
