/** What is read of a pod from outside: a few of its metrics, as text of the exposition format. Everything the operator acts on can be seen in Prometheus. */
import { EXPECTED_REFUSALS } from '../metrics/refusals.ts';

export interface PodReadings {
	readonly connections: number;
	readonly readyWorkers: number;
	/** Undefined when the pod uses no Redis. */
	readonly redisUp: boolean | undefined;
	/** One peer holds most connections: a proxy whose header is not read. */
	readonly dominantPeer: boolean;
	/** Since the pod's start: requests of sessions that arrived here and belong to another pod. */
	readonly forwardedToPods: number;
	readonly openedSessions: number;
	/** Since the pod's start, as all that follow: connections that did not get in, for a reason of ours. */
	readonly unservedConnections: number;
	readonly recoveredClients: number;
	/** Without those that were away too long, were disconnected by the application, or made their offset up. */
	readonly refusedClients: number;
	readonly published: number;
	/** Of them: late, or lost for other pods. */
	readonly failedPublishes: number;
	/** By a crash, a kill, or because they hung; their clients had been let in. */
	readonly diedWorkers: number;
}

const EXPECTED = /^(draining$|out of service on request)/;
/** Of `socketfleet_rejected_connections_total`: not a client's nonsense or a scanner. */
export const UNSERVED_REASONS = ['no_worker', 'too_many_pending', 'bad_proxy_header'];
const UNSERVED = new RegExp(`reason="(${UNSERVED_REASONS.join('|')})"`);
const REFUSED = new RegExp(`^(?=.*result="refused")(?!.*reason="(${EXPECTED_REFUSALS.join('|')})")`);
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;

/** One line of a page of metrics; its labels as written. */
export interface Sample {
	readonly name: string;
	readonly labels: string;
	readonly value: number;
}

/** Of the product's own metrics, not of the application's. */
export function parseSamples(text: string): readonly Sample[] {
	return text.split('\n').flatMap((line) => {
		const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
		return name.startsWith('socketfleet_') ? [{ name, labels, value: Number(value) }] : [];
	});
}

export function parseReadings(text: string): PodReadings {
	const samples = parseSamples(text);
	const values = (name: string, label = /^/): number[] =>
		samples.filter((sample) => sample.name === name && label.test(sample.labels)).map(({ value }) => value);
	const sum = (name: string, label?: RegExp): number => values(name, label).reduce((all, value) => all + value, 0);
	const redis = values('socketfleet_redis_up');
	return {
		connections: sum('socketfleet_connections'),
		readyWorkers: sum('socketfleet_workers', /state="ready"/),
		redisUp: redis.length === 0 ? undefined : redis.every((value) => value === 1),
		dominantPeer: sum('socketfleet_dominant_peer') > 0,
		forwardedToPods: sum('socketfleet_forwarded_requests_total', /target="pod"/),
		openedSessions: sum('socketfleet_sessions_opened_total'),
		unservedConnections:
			sum('socketfleet_rejected_connections_total', UNSERVED) + sum('socketfleet_handover_failures_total', /reason="(?!peer_gone)/),
		recoveredClients: sum('socketfleet_recovery_total', /result="recovered"/),
		refusedClients: sum('socketfleet_recovery_total', REFUSED),
		published: sum('socketfleet_publish_total'),
		failedPublishes: sum('socketfleet_publish_total', /result="(?!ok")/),
		diedWorkers: sum('socketfleet_worker_restarts_total', /reason="(died|silent)"/),
	};
}

/** From the body of `/readyz`. That a pod drains is known, and nothing wrong. */
export function parseReasons(body: string): readonly string[] {
	const { reasons } = JSON.parse(body) as { readonly reasons?: readonly unknown[] };
	return (reasons ?? []).filter((reason): reason is string => typeof reason === 'string' && isFault(reason));
}

/** What a pod says when its stream is trimmed too early: `src/adapter/recovery/retention.ts`. */
export function isShortRetention(reason: string): boolean {
	return reason.includes('less than the recovery window');
}

export function isFault(reason: string): boolean {
	return !EXPECTED.test(reason);
}
