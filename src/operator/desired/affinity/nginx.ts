/** ingress-nginx, retired in March 2026. `persistent`, since `balanced` moves sessions when pods are added. */
import { type FleetInput, isCookieSecure, type Labels } from '../names.ts';
import type { Affinity } from './affinity.ts';

const PREFIX = 'nginx.ingress.kubernetes.io';

export const NGINX: Affinity = {
	className: 'nginx',
	ingressAnnotations: (fleet): Labels => {
		const { affinity, idleTimeoutSeconds } = fleet.spec.ingress;
		return {
			...(affinity.mode === 'cookie' ? cookie(fleet) : {}),
			...(affinity.mode === 'source' ? { [`${PREFIX}/upstream-hash-by`]: '$remote_addr' } : {}),
			[`${PREFIX}/proxy-read-timeout`]: String(idleTimeoutSeconds),
			[`${PREFIX}/proxy-send-timeout`]: String(idleTimeoutSeconds),
		};
	},
};

function cookie({ spec }: FleetInput): Labels {
	const { path, affinity } = spec.ingress;
	return {
		[`${PREFIX}/affinity`]: 'cookie',
		[`${PREFIX}/affinity-mode`]: 'persistent',
		[`${PREFIX}/session-cookie-name`]: affinity.cookieName,
		[`${PREFIX}/session-cookie-path`]: path,
		[`${PREFIX}/session-cookie-samesite`]: affinity.sameSite,
		[`${PREFIX}/session-cookie-change-on-failure`]: 'true',
		...(isCookieSecure(spec) ? { [`${PREFIX}/session-cookie-secure`]: 'true' } : {}),
		...(affinity.maxAgeSeconds > 0 ? { [`${PREFIX}/session-cookie-max-age`]: String(affinity.maxAgeSeconds) } : {}),
	};
}
