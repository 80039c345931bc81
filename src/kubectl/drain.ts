/** `drain POD`: takes one pod out of service, closes its connections at the pace of its own drain, and waits until it is empty. */
import { sleep } from '../base/deadline.ts';
import { AppError } from '../base/errors.ts';
import type { PodStatus } from '../fleet/pod-status.ts';
import { FLEET_PODS_SELECTOR, toFleetPod } from '../fleet/pods.ts';
import { type KubeObject, RESOURCES } from '../kube/object.ts';
import { formatCount } from '../terminal/format.ts';
import { preStopSeconds } from './container.ts';
import type { Session } from './session.ts';

export interface DrainOptions {
	/** Back into service. */
	readonly undo: boolean;
}

const LOOK_MS = 1000;
/** Beyond the drain's own time. */
const PATIENCE_MS = 30_000;

/** Throws ERR_DRAIN_TIMEOUT when connections are left after the pod's own drain time and half a minute. */
export async function runDrain(session: Session, name: string, { undo }: DrainOptions): Promise<void> {
	const pod = await findPod(session, name);
	if (undo) {
		await session.pods.uncordon(pod);
		say(session, name, 'in service', 0, `pod ${name} is in service again`);
		return;
	}
	await refuseTheLast(session, pod);
	const before = await session.pods.status(pod);
	const pace = paceOf(pod, before);
	await session.pods.cordon(pod, pace);
	if (!session.json) {
		const seconds = (pace.delayMs + pace.spreadMs) / 1000;
		session.print(`pod ${name} is out of service; its ${formatCount(before.connections)} connections are closed within ${seconds} s\n`);
	}
	await waitUntilEmpty(session, pod, pace.delayMs + pace.spreadMs + PATIENCE_MS);
	const back = `it stays out of service until it is deleted, or taken back with: kubectl socketfleet drain ${name} --undo`;
	say(session, name, 'drained', before.connections, `pod ${name} is empty; ${back}`);
}

async function findPod({ client, namespace }: Session, name: string): Promise<KubeObject> {
	const { items } = await client.list(RESOURCES.Pod, { namespace, labelSelector: FLEET_PODS_SELECTOR });
	const found = items.find(({ metadata }) => metadata.name === name);
	if (!found) {
		const names = items.map(({ metadata }) => metadata.name).sort();
		throw new AppError('ERR_NOT_FOUND', `no pod ${name} of a fleet in namespace ${namespace}; there are: ${names.join(', ') || 'none'}`);
	}
	return found;
}

/** Its clients would have nowhere to go. */
async function refuseTheLast({ client, namespace }: Session, pod: KubeObject): Promise<void> {
	const instance = pod.metadata.labels?.['app.kubernetes.io/instance'] ?? '';
	const labelSelector = `${FLEET_PODS_SELECTOR},app.kubernetes.io/instance=${instance}`;
	const { items } = await client.list(RESOURCES.Pod, { namespace, labelSelector });
	const others = items.map(toFleetPod).filter(({ name, ready, terminating }) => name !== pod.metadata.name && ready && !terminating);
	if (others.length === 0) {
		throw new AppError(
			'ERR_CONFLICT',
			`pod ${pod.metadata.name} is the only one that is ready: its clients would have nowhere to go; scale up first`,
		);
	}
}

/** As when it is deleted: load balancers are given the same time to notice. */
export function paceOf(pod: KubeObject, { config }: Pick<PodStatus, 'config'>): { readonly delayMs: number; readonly spreadMs: number } {
	const ms = (value: unknown): number => (typeof value === 'number' ? value : 0);
	return { delayMs: preStopSeconds(pod) * 1000 + ms(config.drainDelayMs), spreadMs: ms(config.drainSpreadMs) };
}

async function waitUntilEmpty(session: Session, pod: KubeObject, patienceMs: number): Promise<void> {
	const deadline = Date.now() + patienceMs;
	let told = -1;
	for (;;) {
		const { connections } = await session.pods.status(pod);
		if (connections === 0) {
			return;
		}
		if (Date.now() > deadline) {
			throw new AppError('ERR_DRAIN_TIMEOUT', `pod ${pod.metadata.name} still has ${formatCount(connections)} connections`);
		}
		if (connections !== told && !session.json) {
			session.print(`${formatCount(connections)} left\n`);
		}
		told = connections;
		await sleep(LOOK_MS);
	}
}

function say(session: Session, pod: string, state: string, closed: number, sentence: string): void {
	session.print(session.json ? `${JSON.stringify({ pod, state, closed })}\n` : `${sentence}\n`);
}
