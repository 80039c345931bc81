/** Whether a pod has the time that its drain takes. */
import { pickNumber } from '../../../kube/object.ts';
import { preStopSeconds } from '../../container.ts';
import { type Check, type ExaminedPod, findOnPods, optionMs, stayingPods } from '../examination.ts';

/** Kubernetes' own, when a pod says nothing. */
const DEFAULT_GRACE_S = 30;
/** --max-graceful-termination-sec of the Cluster Autoscaler. */
const AUTOSCALER_S = 600;

export const checkDrain: Check = (examination) => {
	const pods = stayingPods(examination);
	return [
		...findOnPods(
			pods,
			'grace-short',
			graceShort,
			'Raise terminationGracePeriodSeconds; the chart and the operator work it out from drain.*, so that something else has set it.',
		),
		...findOnPods(
			pods,
			'drain-short',
			drainShort,
			'Raise drain.marginSeconds (SOCKETFLEET_DRAIN_TIMEOUT_MS), or lower drain.spreadSeconds.',
		),
		...findOnPods(pods, 'no-drain-delay', noDelay, 'Set drain.delaySeconds to the time in which your load balancer notices; 15 is usual.'),
		...findOnPods(
			pods,
			'grace-long',
			graceLong,
			'Raise --max-graceful-termination-sec of the Cluster Autoscaler, or lower drain.spreadSeconds.',
		),
	];
};

function graceSeconds({ object }: ExaminedPod): number {
	return pickNumber(object, ['spec', 'terminationGracePeriodSeconds'], DEFAULT_GRACE_S);
}

/** preStop runs within the grace period, and the drain after it. */
function graceShort(examined: ExaminedPod): string | undefined {
	const timeoutMs = optionMs(examined.status, 'drainTimeoutMs');
	if (timeoutMs === undefined) {
		return undefined;
	}
	const preStop = preStopSeconds(examined.object);
	const grace = graceSeconds(examined);
	const needed = preStop + timeoutMs / 1000;
	return grace < needed
		? `the grace period is ${grace} s, the drain may take ${needed} s (${preStop} s preStop, ${timeoutMs / 1000} s of the pod)`
		: undefined;
}

function drainShort({ status }: ExaminedPod): string | undefined {
	const [delay, spread, timeout] = ['drainDelayMs', 'drainSpreadMs', 'drainTimeoutMs'].map((option) => optionMs(status, option));
	return delay !== undefined && spread !== undefined && timeout !== undefined && timeout < delay + spread
		? `the drain ends after ${timeout} ms, and waits ${delay} ms and closes over ${spread} ms`
		: undefined;
}

function noDelay({ object, status }: ExaminedPod): string | undefined {
	return optionMs(status, 'drainDelayMs') === 0 && preStopSeconds(object) === 0 ? 'a drain closes connections at once' : undefined;
}

function graceLong(examined: ExaminedPod): string | undefined {
	const grace = graceSeconds(examined);
	return grace > AUTOSCALER_S ? `the grace period is ${grace} s` : undefined;
}
