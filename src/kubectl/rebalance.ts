/** `rebalance [FLEET] --dry-run`: what one round of the operator's rebalance would do now, also for a fleet that has no operator. */
import { AppError } from '../base/errors.ts';
import { isRollingOut } from '../fleet/deployment.ts';
import type { FleetPod } from '../fleet/pods.ts';
import { parseReadings } from '../fleet/readings.ts';
import { decideRebalance, REBALANCE_DEFAULTS, type RebalanceSettings } from '../fleet/rebalance.ts';
import { pick } from '../kube/object.ts';
import { formatCount } from '../terminal/format.ts';
import { renderTable } from '../terminal/table.ts';
import { type Fleet, findFleet, listPods } from './fleets.ts';
import { readPods } from './read-pods.ts';
import type { Session } from './session.ts';

export interface RebalanceReport {
	readonly fleet: string;
	/** Whether the operator does it by itself. */
	readonly enabled: boolean;
	readonly settings: RebalanceSettings;
	/** The fullest pod in percent of the mean; null when it was not worked out. */
	readonly fullestPercent: number | null;
	readonly pods: readonly { readonly name: string; readonly connections: number | null; readonly closes: number }[];
	readonly sentence: string;
}

/** Throws ERR_USAGE without `dryRun`: who moves connections is the operator, since only it keeps to a budget. */
export async function runRebalance(
	{ client, pods: access, namespace, json, print }: Session,
	name: string | undefined,
	dryRun: boolean,
): Promise<void> {
	if (!dryRun) {
		throw new AppError(
			'ERR_USAGE',
			'rebalance only says what would be done: give --dry-run; the operator does it when spec.rebalance.enabled is true',
		);
	}
	const fleet = await findFleet(client, namespace, name);
	const read = await readPods(await listPods(client, fleet), (pod) => access.metrics(pod));
	const pods = read.map(({ pod, answer }) => (answer === undefined ? pod : { ...pod, readings: parseReadings(answer) }));
	const report = buildReport(fleet, pods, Date.now());
	print(json ? `${JSON.stringify(report, undefined, 2)}\n` : render(report));
}

export function buildReport({ name, deployment, socketFleet }: Fleet, pods: readonly FleetPod[], nowMs: number): RebalanceReport {
	const given = pick(socketFleet, 'spec', 'rebalance') as Partial<RebalanceSettings> | undefined;
	const settings = { ...REBALANCE_DEFAULTS, ...given };
	const busy = isRollingOut(deployment) || pods.some(({ terminating, drainingSinceMs }) => terminating || drainingSinceMs !== undefined);
	// As if it were on, and as if the last round were long ago: the question is what the next one does.
	const active = pick(socketFleet, 'status', 'rebalance', 'active') === true;
	const spec = { ...settings, enabled: true };
	const { status, closes } = decideRebalance({ spec, pods, before: { active, movedConnections: 0 }, busy, nowMs });
	const rows = pods.map((pod) => ({
		name: pod.name,
		connections: pod.readings?.connections ?? null,
		closes: closes.find((each) => each.pod === pod)?.count ?? 0,
	}));
	const fullestPercent = status?.fullestPercent ?? null;
	return {
		fleet: name,
		enabled: settings.enabled,
		settings,
		fullestPercent,
		pods: rows,
		sentence: sentenceOf(rows, { busy, fullestPercent, settings, active }),
	};
}

function sentenceOf(
	pods: RebalanceReport['pods'],
	{
		busy,
		fullestPercent,
		settings,
		active,
	}: Pick<RebalanceReport, 'fullestPercent' | 'settings'> & { readonly busy: boolean; readonly active: boolean },
): string {
	const closes = pods.reduce((sum, pod) => sum + pod.closes, 0);
	const total = pods.reduce((sum, { connections }) => sum + (connections ?? 0), 0);
	if (closes > 0) {
		return `The fullest pod has ${fullestPercent} % of the mean: this round would move ${formatCount(closes)} connections, within ${settings.maxPercentPerMinute} % a minute.`;
	}
	if (busy) {
		return 'Nothing: a roll-out or a drain is under way and moves connections anyway.';
	}
	const silent = pods.filter(({ connections }) => connections === null);
	if (silent.length > 0) {
		return `Nothing: ${silent.map(({ name }) => name).join(', ')} did not answer.`;
	}
	if (pods.length < 2) {
		return 'Nothing: there is no other pod.';
	}
	if (fullestPercent === null) {
		return `Nothing: ${formatCount(total)} connections are fewer than rebalance.minConnections (${formatCount(settings.minConnections)}).`;
	}
	const bound = active ? `stops at ${settings.stopAtPercent} %` : `starts above ${settings.startAtPercent} %`;
	return `Nothing: the fullest pod has ${fullestPercent} % of the mean, and a rebalance ${bound}.`;
}

function render({ fleet, enabled, pods, sentence }: RebalanceReport): string {
	const who = enabled ? 'the operator rebalances this fleet by itself' : 'nobody rebalances this fleet by itself';
	const table = renderTable(
		['POD', 'CONNECTIONS', 'WOULD CLOSE'],
		pods.map(({ name, connections, closes }) => [name, connections === null ? undefined : formatCount(connections), closes]),
	);
	return `fleet ${fleet}: ${who}\n\n${table}\n${sentence}\n`;
}
