/** jcmoraisjr/haproxy-ingress. The pod's uid as the cookie's value: a slot that another pod takes over is not mistaken for the old one. */
import type { FleetInput, Labels } from '../names.ts';
import type { Affinity } from './affinity.ts';

const PREFIX = 'haproxy-ingress.github.io';

export const HAPROXY_INGRESS: Affinity = {
	className: 'haproxy',
	ingressAnnotations: (fleet): Labels => ({
		...cookie(fleet),
		[`${PREFIX}/balance-algorithm`]: fleet.spec.ingress.affinity.mode === 'source' ? 'source' : 'leastconn',
		[`${PREFIX}/timeout-tunnel`]: `${fleet.spec.ingress.idleTimeoutSeconds}s`,
	}),
};

function cookie({ spec }: FleetInput): Labels {
	const { mode, cookieName, sameSite } = spec.ingress.affinity;
	if (mode !== 'cookie') {
		return {};
	}
	return {
		[`${PREFIX}/affinity`]: 'cookie',
		[`${PREFIX}/session-cookie-name`]: cookieName,
		[`${PREFIX}/session-cookie-strategy`]: 'insert',
		[`${PREFIX}/session-cookie-value-strategy`]: 'pod-uid',
		...(sameSite === 'None' ? { [`${PREFIX}/session-cookie-same-site`]: 'true' } : {}),
	};
}
