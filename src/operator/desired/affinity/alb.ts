/** AWS load balancer controller. Targets are pods; a target is deregistered for as long as a pod drains. */
import { affinityDaySeconds, drainSeconds, type Labels } from '../names.ts';
import type { Affinity } from './affinity.ts';

const PREFIX = 'alb.ingress.kubernetes.io';

export const ALB: Affinity = {
	className: 'alb',
	ingressAnnotations: ({ spec }): Labels => {
		const stickiness =
			spec.ingress.affinity.mode === 'cookie'
				? ['stickiness.enabled=true', 'stickiness.type=lb_cookie', `stickiness.lb_cookie.duration_seconds=${affinityDaySeconds(spec)}`]
				: ['stickiness.enabled=false'];
		const group = [
			`deregistration_delay.timeout_seconds=${drainSeconds(spec)}`,
			...stickiness,
			'load_balancing.algorithm.type=least_outstanding_requests',
		];
		return {
			[`${PREFIX}/target-type`]: 'ip',
			[`${PREFIX}/target-group-attributes`]: group.join(','),
			[`${PREFIX}/load-balancer-attributes`]: `idle_timeout.timeout_seconds=${spec.ingress.idleTimeoutSeconds}`,
			[`${PREFIX}/healthcheck-port`]: '9464',
			[`${PREFIX}/healthcheck-path`]: '/readyz',
		};
	},
};
