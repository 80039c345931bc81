/** Options that a deployment (the chart, the operator) derives from its own values; a second place to set them could only contradict the first. */
import type { OptionKey } from './schema.ts';

export const SET_BY_DEPLOYMENT: ReadonlySet<OptionKey> = new Set<OptionKey>([
	// from app.*
	'app',
	// fixed: Services, probes and policies name them
	'host',
	'port',
	'adminPort',
	'internalPort',
	'apiPort',
	'advertiseHost',
	// from redis.*
	'redisUrl',
	'redisMode',
	'redisSentinelName',
	'redisUsername',
	'redisPassword',
	'redisTlsCaFile',
	// secrets
	'fleetKey',
	'fleetKeyPrevious',
	'apiTokens',
	'adminToken',
	// from drain.*
	'drainDelayMs',
	'drainSpreadMs',
	'drainTimeoutMs',
]);
