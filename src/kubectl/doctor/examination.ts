/** What the doctor looks at: everything that the checks judge, and nothing of how it was read. */
import type { PodStatus } from '../../fleet/pod-status.ts';
import type { FleetPod } from '../../fleet/pods.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { Fleet } from '../fleets.ts';
import type { Finding, FindingId } from './findings.ts';
import type { RouteProbe } from './probe.ts';
import type { Route } from './routes.ts';

export interface Examination {
	readonly fleet: Fleet;
	readonly pods: readonly ExaminedPod[];
	readonly routes: readonly Route[];
	readonly probes: readonly RouteProbe[];
	/** Whether requests were to be sent. */
	readonly asked: boolean;
	/** What could not be read, as sentences. */
	readonly unread: readonly string[];
	readonly nowMs: number;
}

export interface ExaminedPod {
	readonly object: KubeObject;
	/** With its readings, when it answered. */
	readonly pod: FleetPod;
	readonly status: PodStatus | undefined;
	/** Why it could not be asked. */
	readonly problem: string | undefined;
}

/** Judges one subject of an examination; pure, so that each is tested by itself. */
export type Check = (examination: Examination) => readonly Finding[];

/** Pods that are neither on their way out nor drained to be removed: what is said of them is meant to last. */
export function stayingPods({ pods }: Examination): readonly ExaminedPod[] {
	return pods.filter(({ pod }) => !pod.terminating && pod.drainingSinceMs === undefined);
}

/** One sentence for all pods of which the same is to be said: `pods a, b: ...`. */
export function sayOfPods(pods: readonly ExaminedPod[], judge: (pod: ExaminedPod) => string | undefined): readonly string[] {
	const names = new Map<string, string[]>();
	for (const pod of pods) {
		const sentence = judge(pod);
		if (sentence !== undefined) {
			names.set(sentence, [...(names.get(sentence) ?? []), pod.pod.name]);
		}
	}
	return [...names].map(([sentence, those]) => `pod${those.length === 1 ? '' : 's'} ${those.join(', ')}: ${sentence}`);
}

/** The same finding of all pods of which `judge` says something. */
export function findOnPods(
	pods: readonly ExaminedPod[],
	id: FindingId,
	judge: Parameters<typeof sayOfPods>[1],
	fix: string,
): readonly Finding[] {
	return sayOfPods(pods, judge).map((seen) => ({ id, seen, fix }));
}

/** A number among the options in force; undefined when the pod did not answer. */
export function optionMs(status: PodStatus | undefined, option: string): number | undefined {
	const value = status?.config[option];
	return typeof value === 'number' ? value : undefined;
}
