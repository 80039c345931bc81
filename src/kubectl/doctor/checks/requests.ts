/** What real requests to the public address show: reachable, this fleet, sessions served, upgrades let through, affinity. */
import { AFFINITY_ANNOTATION } from '../../../fleet/deployment.ts';
import type { Check, Examination } from '../examination.ts';
import type { Finding } from '../findings.ts';
import type { RouteProbe } from '../probe.ts';

export const checkRequests: Check = (examination) => {
	const { asked, probes } = examination;
	if (!asked) {
		return [];
	}
	if (probes.length === 0) {
		return [
			{
				id: 'no-address',
				seen: 'No Ingress or HTTPRoute of the fleet has an address.',
				fix: 'Give the address that clients use with --url, or --no-requests.',
			},
		];
	}
	return probes.flatMap((probe) => judge(probe, examination));
};

function judge(probe: RouteProbe, examination: Examination): readonly Finding[] {
	const { url, failure } = probe;
	if (failure !== undefined) {
		return [
			{
				id: 'route-unreachable',
				seen: `${url}: ${failure}.`,
				fix: 'See that the name leads to the ingress, that its controller runs and that the path is right; from a place that clients are not at, give --no-requests.',
			},
		];
	}
	const foreign = foreignPods(probe, examination);
	if (foreign.length > 0) {
		return [
			{
				id: 'route-foreign',
				seen: `${url} opens sessions of ${foreign.join(', ')}, which is no pod of this fleet.`,
				fix: 'Another Ingress takes the host or path, or --url is of another fleet.',
			},
		];
	}
	return [...lost(probe), ...refusedUpgrades(probe), ...missingAffinity(probe, examination)];
}

/** A fleet of which a pod did not answer is not judged: the session may be that pod's. Two Deployments may be one fleet, as for blue and green. */
function foreignPods({ withoutCookie, withCookie }: RouteProbe, { pods }: Examination): readonly string[] {
	const known = new Set(pods.flatMap(({ status }) => (status ? [status.pod, ...status.pods] : [])));
	const isWhole = pods.every(({ status }) => status !== undefined);
	return isWhole ? [...new Set([...withoutCookie, ...withCookie])].filter((pod) => !known.has(pod)) : [];
}

function lost({ url, refusals }: RouteProbe): readonly Finding[] {
	return [...new Set(refusals)].map((refusal) => ({
		id: 'session-lost',
		seen: `${url}: a session was opened and its next request was answered ${refusal}.`,
		fix: 'Pods forward to each other on port 9465: see that no NetworkPolicy of yours is in the way and that all have the same fleet key.',
	}));
}

function refusedUpgrades({ url, upgrade }: RouteProbe): readonly Finding[] {
	return upgrade === undefined || upgrade === 'done'
		? []
		: [
				{
					id: 'upgrade-refused',
					seen: `${url}: a WebSocket was asked for, and the answer was ${upgrade}.`,
					fix: 'Let the proxy pass Upgrade and Connection on; behind a Gateway set service.appProtocol to kubernetes.io/ws.',
				},
			];
}

/** Not where none is asked for; and with one pod there is nothing to miss. */
function missingAffinity({ url, cookies, withCookie, withoutCookie }: RouteProbe, { fleet, pods }: Examination): readonly Finding[] {
	const isWanted = fleet.deployment?.metadata.annotations?.[AFFINITY_ANNOTATION] !== 'none';
	const ready = pods.filter(({ pod }) => pod.ready && !pod.terminating).length;
	const came = cookies.length > 0 ? withCookie : withoutCookie;
	const others = new Set(came);
	if (!isWanted || ready < 2 || others.size < 2) {
		return [];
	}
	const with_ = cookies.length > 0 ? `with the cookie ${cookies.join(', ')}` : 'which set no cookie';
	return [
		{
			id: 'affinity-missing',
			seen: `${url}: ${came.length} requests of one client, ${with_}, came to ${others.size} pods.`,
			fix: 'Set ingress.controller to the controller that serves the route; or ingress.affinity.mode to none, if the second hop is meant.',
		},
	];
}
