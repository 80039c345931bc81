/** Everything that the doctor can find, one row each. `docs/reference/findings.md` is derived from it. */

/** `error`: clients are harmed now, or will be at the next deploy or failure. `warning`: it costs or risks something. `note`: not looked at. */
export type Severity = 'error' | 'warning' | 'note';

interface FindingRow {
	readonly severity: Severity;
	/** When it is found, as a sentence. */
	readonly doc: string;
}

export const FINDINGS = {
	'operator-absent': { severity: 'error', doc: 'A SocketFleet has no Deployment, or its newest spec has not been acted on for a minute.' },
	'not-applied': { severity: 'error', doc: 'The operator cannot make the objects that the spec asks for.' },
	'pods-refused': { severity: 'error', doc: 'The cluster refuses to create pods, as for a quota.' },
	'pod-fails': { severity: 'error', doc: 'A pod does not run: its image, a Secret, a crash, or no room on the nodes.' },
	'pod-not-ready': { severity: 'error', doc: 'A pod runs and is not ready, for another reason than a drain.' },
	'pod-silent': { severity: 'error', doc: 'A pod runs and its admin port does not answer.' },
	'out-of-service': { severity: 'warning', doc: 'A pod was taken out of service by request and stays so.' },
	'worker-fails': { severity: 'error', doc: 'A worker has failed to start several times in a row.' },
	'out-of-memory': { severity: 'error', doc: 'A container was ended by the kernel because it used more memory than its limit.' },
	'version-skew': { severity: 'warning', doc: 'Pods run different versions and no roll-out is under way.' },
	'pods-apart': { severity: 'error', doc: 'A pod does not know another one of the fleet: sessions are not forwarded between them.' },
	'redis-away': { severity: 'error', doc: 'A pod does not reach Redis.' },
	'retention-short': { severity: 'warning', doc: 'The stream holds fewer seconds of messages than the recovery window.' },
	reported: { severity: 'warning', doc: 'A pod is ready and says that something is degraded.' },
	'memory-short': { severity: 'error', doc: 'The heaps that the workers may use exceed the memory limit of the container.' },
	'memory-unlimited': { severity: 'warning', doc: 'The container has no memory limit, so that no worker knows its share.' },
	'cpu-unlimited': { severity: 'warning', doc: 'Workers are `auto` and the container has no CPU limit: one for each CPU of the node.' },
	'cpu-short': { severity: 'warning', doc: 'There are more workers than the CPU limit has CPUs.' },
	'open-files': { severity: 'warning', doc: 'A process may open fewer than 4,096 files, or a worker uses more than 80 % of what it may.' },
	'grace-short': { severity: 'error', doc: 'The grace period ends before the drain: Kubernetes kills the pod in the middle of it.' },
	'drain-short': { severity: 'error', doc: "The drain's own deadline is shorter than its delay and its spread." },
	'no-drain-delay': { severity: 'warning', doc: 'Connections are closed at once, before load balancers can have noticed.' },
	'grace-long': { severity: 'warning', doc: 'The grace period is above 600 s, where the Cluster Autoscaler cuts it by default.' },
	'dominant-peer': { severity: 'warning', doc: 'One address holds most connections of a pod: a proxy whose header is not read.' },
	'idle-timeout': { severity: 'error', doc: 'Something in front cuts connections that are silent for less time than the ping interval.' },
	'route-unreachable': { severity: 'error', doc: 'The public address does not answer, or not with a session.' },
	'route-foreign': { severity: 'error', doc: 'The public address leads to another server than this fleet.' },
	'session-lost': { severity: 'error', doc: 'A further request of a session that was just opened is refused.' },
	'upgrade-refused': { severity: 'error', doc: 'The public address does not let a WebSocket through.' },
	'affinity-missing': {
		severity: 'warning',
		doc: 'Requests of one client come to different pods: they are served, at the price of a second hop.',
	},
	'no-address': { severity: 'note', doc: 'No public address was found or given, so that no requests were sent.' },
	'not-looked-at': { severity: 'note', doc: 'Something could not be read, so that what depends on it is unknown.' },
} as const satisfies Readonly<Record<string, FindingRow>>;

export type FindingId = keyof typeof FINDINGS;

export interface Finding {
	readonly id: FindingId;
	/** What was seen, as a sentence. */
	readonly seen: string;
	/** What to do, as a sentence. */
	readonly fix: string;
}

export function severityOf({ id }: Finding): Severity {
	return FINDINGS[id].severity;
}
