/** haproxytech/kubernetes-ingress ignores these two on an Ingress: they belong on the Service. */
import type { Labels } from '../names.ts';
import type { Affinity } from './affinity.ts';

export const HAPROXYTECH: Affinity = {
	className: 'haproxy',
	serviceAnnotations: ({ spec }): Labels => {
		const { mode, cookieName } = spec.ingress.affinity;
		return {
			...(mode === 'cookie' ? { 'haproxy.org/cookie-persistence': cookieName } : {}),
			'haproxy.org/load-balance': mode === 'source' ? 'source' : 'leastconn',
		};
	},
};
