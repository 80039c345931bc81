/** Traefik reads its cookie from the Service. */
import { type FleetInput, isCookieSecure, type Labels } from '../names.ts';
import type { Affinity } from './affinity.ts';

const COOKIE = 'traefik.ingress.kubernetes.io/service.sticky.cookie';

export const TRAEFIK: Affinity = {
	className: 'traefik',
	serviceAnnotations: ({ spec }: FleetInput): Labels => {
		const { mode, cookieName, sameSite, maxAgeSeconds } = spec.ingress.affinity;
		if (mode !== 'cookie') {
			return {};
		}
		return {
			[COOKIE]: 'true',
			[`${COOKIE}.name`]: cookieName,
			[`${COOKIE}.httponly`]: 'true',
			[`${COOKIE}.samesite`]: sameSite.toLowerCase(),
			[`${COOKIE}.secure`]: String(isCookieSecure(spec)),
			...(maxAgeSeconds > 0 ? { [`${COOKIE}.maxage`]: String(maxAgeSeconds) } : {}),
		};
	},
};
