/** Settings that contradict each other: CEL rules of the whole spec, each sentence names what to change. The chart says the same in `_validate.tpl`. */
import type { Rule } from './field.ts';

const BEHIND_PROXY = '(self.ingress.enabled || self.httpRoute.enabled)';
const READINESS_FIRST =
	"(self.drain.failReadinessFirst == 'true' || (self.drain.failReadinessFirst == 'auto' && self.ingress.controller == 'traefik'))";

export const REDIS_RULES: readonly Rule[] = [
	{
		rule: "self.source != 'external' || self.url != '' || self.existingSecret.urlKey != ''",
		message: 'source is external: set url, or existingSecret.name and existingSecret.urlKey',
		fieldPath: '.url',
	},
	{
		rule: "self.url == '' || self.existingSecret.urlKey == ''",
		message: 'url and existingSecret.urlKey are both set: the URL can come from one of them only',
		fieldPath: '.url',
	},
	{
		rule: "self.existingSecret.name != '' || (self.existingSecret.urlKey == '' && self.existingSecret.passwordKey == '')",
		message: 'urlKey and passwordKey are keys of existingSecret.name: set the name',
		fieldPath: '.existingSecret.name',
	},
	{
		rule: "self.mode != 'standalone' || !self.url.contains(',')",
		message: 'url holds several addresses: set mode to sentinel or cluster',
		fieldPath: '.mode',
	},
	{
		rule: "self.tls.caConfigMap == '' || self.url == '' || self.url.startsWith('rediss://')",
		message: 'tls.caConfigMap is set but url does not start with rediss://',
		fieldPath: '.url',
	},
	{
		rule: "self.source == 'external' || (self.url == '' && self.existingSecret.name == '')",
		message: 'url or existingSecret is set but source is not external: set source to external',
		fieldPath: '.source',
	},
];

export const PDB_RULES: readonly Rule[] = [
	{
		rule: '!(has(self.minAvailable) && has(self.maxUnavailable))',
		message: 'minAvailable and maxUnavailable exclude each other: set one of them',
		fieldPath: '.minAvailable',
	},
];

export const ROLLOUT_RULES: readonly Rule[] = [
	{
		rule: "!(string(self.maxSurge) in ['0', '0%'] && string(self.maxUnavailable) in ['0', '0%'])",
		message: 'maxSurge and maxUnavailable are both 0: a roll-out could never move; raise one',
		fieldPath: '.maxSurge',
	},
	{
		rule: "!self.paced || (string(self.maxSurge) == '1' && string(self.maxUnavailable) == '0')",
		message: 'a paced roll-out replaces one pod at a time: it needs maxSurge 1 and maxUnavailable 0, or set paced to false',
		fieldPath: '.paced',
	},
	{
		rule: 'self.paced || self.maxSessionsPerSecond == 0',
		message: 'a budget can be kept only when the operator drains the pods: set paced to true',
		fieldPath: '.maxSessionsPerSecond',
	},
	{
		rule: "self.paced || self.onFailure == 'stop'",
		message: 'only a paced roll-out is judged and can be rolled back: set paced to true',
		fieldPath: '.onFailure',
	},
];

export const AUTOSCALING_RULES: readonly Rule[] = [
	{
		rule: 'self.minReplicas <= self.maxReplicas',
		message: 'minReplicas is above maxReplicas',
		fieldPath: '.minReplicas',
	},
	{
		rule: '!self.enabled || self.targetCpuPercent > 0 || self.targetConnections > 0 || self.targetEventLoopPercent > 0 || size(self.metrics) > 0',
		message: 'autoscaling needs something to scale on: set targetConnections, targetEventLoopPercent, targetCpuPercent or metrics',
		fieldPath: '.targetCpuPercent',
	},
];

export const REBALANCE_RULES: readonly Rule[] = [
	{
		rule: 'self.stopAtPercent < self.startAtPercent',
		message: 'stopAtPercent must be below startAtPercent, or a rebalance that has ended starts again at once',
		fieldPath: '.stopAtPercent',
	},
];

export const SPEC_RULES: readonly Rule[] = [
	{
		rule: "self.redis.source != 'none' || (self.replicas <= 1 && !self.autoscaling.enabled)",
		message:
			'redis.source is none: several pods exchange messages through Redis; set replicas to 1 and autoscaling.enabled to false, or redis.source',
		fieldPath: '.replicas',
	},
	{
		rule: "self.redis.source != 'none' || !self.api.enabled",
		message: 'api.enabled needs Redis: set redis.source to bundled or external',
		fieldPath: '.api.enabled',
	},
	{
		rule: "!self.autoscaling.enabled || self.autoscaling.targetCpuPercent == 0 || (has(self.resources.requests) && 'cpu' in self.resources.requests)",
		message: 'autoscaling.targetCpuPercent is a percentage of resources.requests.cpu: set the request, or targetCpuPercent to 0',
		fieldPath: '.autoscaling.targetCpuPercent',
	},
	{
		rule: "self.rollout.onFailure == 'stop' || size(self.app.files) == 0",
		message:
			'rollBack brings back the pod template, and app.files are not in it: put the application into an image, or set rollout.onFailure to stop',
		fieldPath: '.rollout.onFailure',
	},
	{
		rule: '!(self.monitoring.podMonitor.enabled && self.monitoring.serviceMonitor.enabled)',
		message: 'monitoring.podMonitor and monitoring.serviceMonitor would scrape every pod twice: enable one',
		fieldPath: '.monitoring.serviceMonitor.enabled',
	},
	{
		rule: `!${READINESS_FIRST} || self.drain.delaySeconds >= 5`,
		message:
			'a failed readiness probe takes up to 5 seconds to be seen: set drain.delaySeconds to at least 5, or drain.failReadinessFirst to false',
		fieldPath: '.drain.delaySeconds',
	},
	{
		rule: `!${BEHIND_PROXY} || self.ingress.idleTimeoutSeconds * 1000 > (has(self.config.pingIntervalMs) ? self.config.pingIntervalMs : 25000)`,
		message: 'ingress.idleTimeoutSeconds must be above config.pingIntervalMs, or quiet sockets are cut between two pings',
		fieldPath: '.ingress.idleTimeoutSeconds',
	},
	{
		rule: "self.ingress.controller != 'envoy-gateway' || !self.ingress.enabled",
		message: 'Envoy Gateway serves no Ingress: set ingress.enabled to false and httpRoute.enabled to true',
		fieldPath: '.ingress.enabled',
	},
	{
		rule: "!self.httpRoute.enabled || !(self.ingress.controller in ['nginx', 'alb', 'haproxytech', 'haproxy-ingress'])",
		message:
			"this controller's affinity is made of annotations that an HTTPRoute does not carry: httpRoute is for traefik, gke, istio, envoy-gateway or none",
		fieldPath: '.httpRoute.enabled',
	},
	{
		rule: "self.ingress.affinity.mode != 'source' || !(self.ingress.controller in ['traefik', 'alb'])",
		message: 'this controller has no affinity by source address: set ingress.affinity.mode to cookie or none',
		fieldPath: '.ingress.affinity.mode',
	},
	{
		rule: "self.ingress.controller != 'alb' || self.ingress.idleTimeoutSeconds <= 4000",
		message: "an ALB's idle timeout is at most 4000 seconds",
		fieldPath: '.ingress.idleTimeoutSeconds',
	},
	{
		rule: '!self.httpRoute.enabled || size(self.httpRoute.parentRefs) > 0',
		message: 'httpRoute.enabled needs httpRoute.parentRefs: the Gateway to attach to',
		fieldPath: '.httpRoute.parentRefs',
	},
	{
		rule: '!self.httpRoute.sessionPersistence.enabled || self.httpRoute.enabled',
		message: 'sessionPersistence is part of an HTTPRoute: set httpRoute.enabled to true',
		fieldPath: '.httpRoute.enabled',
	},
	{
		rule: `!self.service.proxyProtocol || !${BEHIND_PROXY}`,
		message:
			'proxyProtocol is for a load balancer directly in front of the pods; behind an Ingress or HTTPRoute the address comes in X-Forwarded-For',
		fieldPath: '.service.proxyProtocol',
	},
	{
		rule: "self.service.nodePort == 0 || self.service.type != 'ClusterIP'",
		message: 'service.nodePort needs service.type NodePort or LoadBalancer',
		fieldPath: '.service.nodePort',
	},
	{
		rule: `!self.rebalance.enabled || self.ingress.affinity.mode == 'none' || (self.ingress.affinity.mode == 'cookie' && !${BEHIND_PROXY})`,
		message:
			'affinity leads clients back to the pod that closed them, so that rebalance would move nobody: set ingress.affinity.mode to none; sessions work without affinity',
		fieldPath: '.rebalance.enabled',
	},
];
