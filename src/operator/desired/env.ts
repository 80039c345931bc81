/** Environment of the pods, as `_env.tpl` of the chart gives it. */
import { envNameOf, type OptionKey } from '../../config/schema.ts';
import { FLEET_OPTIONS } from '../api/config-field.ts';
import type { JsonObject } from '../api/field.ts';
import type { FleetSpec } from '../api/spec.ts';
import {
	apiSecretName,
	type FleetInput,
	failsReadinessFirst,
	fleetKeySecretName,
	fleetName,
	isBehindProxy,
	redisName,
	redisSecretName,
} from './names.ts';

export function buildEnv(fleet: FleetInput): JsonObject[] {
	const { spec } = fleet;
	return [
		...redisEnv(fleet),
		{ name: envNameOf('advertiseHost'), valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
		value('addressSource', addressSource(spec)),
		...maybe('app', appPath(spec)),
		...(spec.redis.source === 'none' ? [value('recovery', 'false')] : []),
		...drainEnv(spec),
		...(spec.api.enabled ? [fromSecret('apiTokens', apiSecretName(fleet), 'tokens')] : []),
		...(spec.admin.existingSecret === '' ? [] : [fromSecret('adminToken', spec.admin.existingSecret, 'token')]),
		...configEnv(spec),
		...spec.extraEnv,
	];
}

function redisEnv(fleet: FleetInput): JsonObject[] {
	const { redis } = fleet.spec;
	const name = value('fleet', fleetName(fleet));
	if (redis.source === 'none') {
		return [name];
	}
	const keySecret = fleetKeySecretName(fleet);
	const keys = [fromSecret('fleetKey', keySecret, 'current'), fromSecret('fleetKeyPrevious', keySecret, 'previous', true)];
	if (redis.source === 'external') {
		return [name, ...keys, ...externalRedisEnv(fleet.spec)];
	}
	return [
		name,
		...keys,
		value('redisUrl', `redis://${redisName(fleet)}:6379`),
		fromSecret('redisPassword', redisSecretName(fleet), 'redis-password'),
	];
}

function externalRedisEnv({ redis }: FleetSpec): JsonObject[] {
	const { name, urlKey, passwordKey } = redis.existingSecret;
	return [
		urlKey === '' ? value('redisUrl', redis.url) : fromSecret('redisUrl', name, urlKey),
		...(passwordKey === '' ? [] : [fromSecret('redisPassword', name, passwordKey)]),
		value('redisMode', redis.mode),
		...(redis.mode === 'sentinel' ? [value('redisSentinelName', redis.sentinelName)] : []),
		...maybe('redisUsername', redis.username),
		...(redis.tls.caConfigMap === '' ? [] : [value('redisTlsCaFile', `/etc/socketfleet/redis-ca/${redis.tls.caKey}`)]),
	];
}

function addressSource(spec: FleetSpec): string {
	const { config, service } = spec;
	return config.addressSource ?? (service.proxyProtocol ? 'proxy-protocol' : isBehindProxy(spec) ? 'x-forwarded-for' : 'socket');
}

function appPath({ app }: FleetSpec): string {
	const [first] = Object.keys(app.files).sort();
	return app.path || (first === undefined ? '' : `/app/${first}`);
}

/** With `failReadinessFirst` the pod's own deadline covers the wait; without it the preStop sleep has already spent it. */
function drainEnv(spec: FleetSpec): JsonObject[] {
	const { delaySeconds, spreadSeconds, marginSeconds } = spec.drain;
	const delay = failsReadinessFirst(spec) ? delaySeconds : 0;
	return [
		value('drainDelayMs', String(delay * 1000)),
		value('drainSpreadMs', String(spreadSeconds * 1000)),
		value('drainTimeoutMs', String((delay + spreadSeconds + marginSeconds) * 1000)),
	];
}

function configEnv({ config, redis }: FleetSpec): JsonObject[] {
	return [...FLEET_OPTIONS].sort().flatMap((key) => {
		const set = config[key];
		const saidElsewhere = key === 'fleet' || key === 'addressSource' || (key === 'recovery' && redis.source === 'none');
		return set === undefined || saidElsewhere ? [] : [value(key, typeof set === 'object' ? set.join(',') : String(set))];
	});
}

function value(key: OptionKey, text: string): JsonObject {
	return { name: envNameOf(key), value: text };
}

function maybe(key: OptionKey, text: string): JsonObject[] {
	return text === '' ? [] : [value(key, text)];
}

function fromSecret(option: OptionKey, name: string, key: string, mayBeAbsent = false): JsonObject {
	return { name: envNameOf(option), valueFrom: { secretKeyRef: { name, key, ...(mayBeAbsent ? { optional: true } : {}) } } };
}
