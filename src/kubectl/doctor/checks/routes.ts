/** Whether what stands in front lets quiet connections live, and tells who the clients are. */
import { type Check, findOnPods, optionMs, stayingPods } from '../examination.ts';
import type { Finding } from '../findings.ts';

export const checkRoutes: Check = (examination) => {
	const pods = stayingPods(examination);
	const pingIntervalMs = Math.max(0, ...pods.map(({ status }) => optionMs(status, 'pingIntervalMs') ?? 0));
	const timeouts = examination.routes.flatMap(({ timeouts: all }) => all);
	return [
		...timeouts
			.filter(({ seconds }) => seconds * 1000 <= pingIntervalMs)
			.map(
				({ seconds, source }): Finding => ({
					id: 'idle-timeout',
					seen: `${source} is ${seconds} s, and a quiet connection says something each ${pingIntervalMs / 1000} s.`,
					fix: 'Raise it (ingress.idleTimeoutSeconds), or lower config.pingIntervalMs.',
				}),
			),
		...findOnPods(
			pods,
			'dominant-peer',
			({ pod }) => (pod.readings?.dominantPeer ? 'one address holds most connections, so that one worker gets them all' : undefined),
			'Set ingress.enabled, httpRoute.enabled or service.proxyProtocol as it is in front, or config.addressSource and config.trustedProxies.',
		),
	];
};
