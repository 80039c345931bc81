/** `status [FLEET]`: the fleets of a namespace, or one of them with its pods, conditions and problems. */
import { type PodStatus, stateOf } from '../fleet/pod-status.ts';
import { conditionOf } from '../fleet/pods.ts';
import type { KubeClient } from '../kube/client.ts';
import { type KubeObject, pickList, pickNumber, pickText } from '../kube/object.ts';
import { formatAge, formatCount } from '../terminal/format.ts';
import { renderTable } from '../terminal/table.ts';
import { chooseFleet, type Fleet, listFleets, listPods, originOf } from './fleets.ts';
import type { PodAccess } from './pod-access.ts';
import { noteOf, type ReadPod, readPods } from './read-pods.ts';
import type { Session } from './session.ts';

export interface FleetReport {
	readonly name: string;
	readonly namespace: string;
	readonly origin: string;
	readonly pods: number;
	readonly ready: number;
	readonly wanted: number;
	readonly connections: number;
	readonly workers: number;
	/** More than one during a roll-out. */
	readonly versions: readonly string[];
	readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string; readonly message: string }[];
	readonly problems: readonly string[];
	readonly podList: readonly PodReport[];
}

export interface PodReport {
	readonly name: string;
	readonly state: string;
	readonly ready: boolean;
	/** Null when it did not answer; so the next. */
	readonly connections: number | null;
	readonly workers: { readonly ready: number; readonly total: number } | null;
	readonly version: string | null;
	readonly node: string;
	readonly ageMs: number;
	readonly note: string;
}

export async function runStatus({ client, pods, namespace, json, print }: Session, name: string | undefined): Promise<void> {
	const fleets = await listFleets(client, namespace);
	if (name === undefined && fleets.length !== 1) {
		const reports = await Promise.all(fleets.map((fleet) => readReport(client, pods, fleet)));
		print(json ? toJson(reports) : renderFleets(reports, namespace));
		return;
	}
	const report = await readReport(client, pods, chooseFleet(fleets, namespace, name));
	print(json ? toJson(report) : renderFleet(report));
}

async function readReport(client: KubeClient, access: PodAccess, fleet: Fleet): Promise<FleetReport> {
	const pods = await readPods(await listPods(client, fleet), (pod) => access.status(pod));
	return buildReport(fleet, pods, Date.now());
}

export function buildReport(fleet: Fleet, pods: readonly ReadPod<PodStatus>[], nowMs: number): FleetReport {
	const { name, namespace, deployment, socketFleet } = fleet;
	const answers = pods.flatMap(({ answer }) => answer ?? []);
	const podList = pods.map((pod) => reportPod(pod, nowMs));
	return {
		name,
		namespace,
		origin: originOf(fleet),
		pods: podList.length,
		ready: pods.filter(({ pod }) => pod.ready && !pod.terminating).length,
		wanted: pickNumber(socketFleet ?? deployment, ['spec', 'replicas']),
		connections: answers.reduce((sum, { connections }) => sum + connections, 0),
		workers: podList.reduce((sum, { workers }) => sum + (workers?.ready ?? 0), 0),
		versions: [...new Set(answers.map(({ version }) => version))].sort(),
		conditions: conditionsOf(socketFleet),
		problems: [...problemsOf(deployment), ...podList.flatMap(({ name: pod, note }) => (note === '' ? [] : [`pod ${pod}: ${note}`]))],
		podList,
	};
}

function reportPod(read: ReadPod<PodStatus>, nowMs: number): PodReport {
	const { object, pod, answer } = read;
	const ready = answer?.workers.filter(({ state }) => state === 'ready').length ?? 0;
	return {
		name: pod.name,
		state: pod.terminating ? 'terminating' : answer ? stateOf(answer) : pod.ready ? 'ready' : 'not ready',
		ready: pod.ready,
		connections: answer?.connections ?? null,
		workers: answer ? { ready, total: answer.workers.length } : null,
		version: answer?.version ?? null,
		node: pickText(object, 'spec', 'nodeName'),
		ageMs: nowMs - pod.createdMs,
		note: noteOf(read),
	};
}

function conditionsOf(socketFleet: KubeObject | undefined): FleetReport['conditions'] {
	return pickList(socketFleet, 'status', 'conditions').map((each) => ({
		type: pickText(each, 'type'),
		status: pickText(each, 'status'),
		reason: pickText(each, 'reason'),
		message: pickText(each, 'message'),
	}));
}

function problemsOf(deployment: KubeObject | undefined): readonly string[] {
	if (!deployment) {
		return ['there is no Deployment yet: does an operator run?'];
	}
	const failure = conditionOf(deployment, 'ReplicaFailure');
	return failure?.status === 'True' ? [`pods can't be created: ${failure.message ?? 'unknown'}`] : [];
}

function toJson(value: unknown): string {
	return `${JSON.stringify(value, undefined, 2)}\n`;
}

export function renderFleets(reports: readonly FleetReport[], namespace: string): string {
	if (reports.length === 0) {
		return `no fleets in namespace ${namespace}\n`;
	}
	return renderTable(
		['FLEET', 'ORIGIN', 'READY', 'CONNECTIONS', 'WORKERS', 'VERSION', 'PROBLEMS'],
		reports.map(({ name, origin, ready, wanted, connections, workers, versions, problems }) => [
			name,
			origin,
			`${ready}/${wanted}`,
			formatCount(connections),
			workers,
			versions.join(', ') || undefined,
			problems.length,
		]),
	);
}

export function renderFleet(report: FleetReport): string {
	const { name, namespace, origin, ready, wanted, connections, workers, versions, conditions, problems, podList } = report;
	const running = versions.length === 0 ? '' : `, socketfleet ${versions.join(' and ')}`;
	const parts = [
		`fleet ${name} in namespace ${namespace}, a ${origin}${running}\n` +
			`${ready} of ${wanted} pods ready, ${formatCount(connections)} connections, ${workers} workers\n`,
		renderTable(
			['POD', 'STATE', 'CONNECTIONS', 'WORKERS', 'VERSION', 'AGE', 'NODE'],
			podList.map((pod) => [
				pod.name,
				pod.state,
				pod.connections === null ? undefined : formatCount(pod.connections),
				pod.workers === null ? undefined : `${pod.workers.ready}/${pod.workers.total}`,
				pod.version ?? undefined,
				formatAge(pod.ageMs),
				pod.node || undefined,
			]),
		),
	];
	if (conditions.length > 0) {
		const rows = conditions.map(({ type, status, reason, message }) => [type, status, reason, message]);
		parts.push(renderTable(['CONDITION', 'STATUS', 'REASON', 'MESSAGE'], rows));
	}
	if (problems.length > 0) {
		parts.push(problems.map((problem) => `! ${problem}\n`).join(''));
	}
	return parts.join('\n');
}
