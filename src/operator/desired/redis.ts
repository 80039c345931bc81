/** The bundled Redis for trials: no replica, no failover. */

import type { KubeObject } from '../../kube/object.ts';
import type { JsonObject } from '../api/field.ts';
import { CONTAINER_SECURITY, type FleetInput, optional, podSecurity, redisLabels, redisName, redisSecretName } from './names.ts';
import { frame } from './object.ts';

export function buildRedisService(fleet: FleetInput): KubeObject | undefined {
	if (fleet.spec.redis.source !== 'bundled') {
		return undefined;
	}
	const ports = [{ name: 'redis', port: 6379, targetPort: 'redis' }];
	return frame(fleet, 'Service', { suffix: '-redis' }, { spec: { selector: redisLabels(fleet), ports } });
}

export function buildRedisStatefulSet(fleet: FleetInput): KubeObject | undefined {
	if (fleet.spec.redis.source !== 'bundled') {
		return undefined;
	}
	return frame(
		fleet,
		'StatefulSet',
		{ suffix: '-redis' },
		{
			spec: {
				replicas: 1,
				serviceName: redisName(fleet),
				selector: { matchLabels: redisLabels(fleet) },
				...volumeClaim(fleet),
				template: { metadata: { labels: redisLabels(fleet) }, spec: podSpec(fleet) },
			},
		},
	);
}

function volumeClaim({ spec }: FleetInput): JsonObject {
	const { enabled, size, storageClassName } = spec.redis.bundled.persistence;
	if (!enabled) {
		return {};
	}
	const claim = {
		accessModes: ['ReadWriteOnce'],
		...optional('storageClassName', storageClassName),
		resources: { requests: { storage: size } },
	};
	return {
		persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
		volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: claim }],
	};
}

function podSpec(fleet: FleetInput): JsonObject {
	const { imagePullSecrets, redis } = fleet.spec;
	return {
		automountServiceAccountToken: false,
		enableServiceLinks: false,
		securityContext: podSecurity(999),
		...optional('imagePullSecrets', imagePullSecrets),
		containers: [container(fleet)],
		...(redis.bundled.persistence.enabled ? {} : { volumes: [{ name: 'data', emptyDir: {} }] }),
	};
}

function container(fleet: FleetInput): JsonObject {
	const { image, maxMemoryMb, persistence, resources } = fleet.spec.redis.bundled;
	const password = { secretKeyRef: { name: redisSecretName(fleet), key: 'redis-password' } };
	return {
		name: 'redis',
		image: `${image.repository}:${image.tag}`,
		imagePullPolicy: image.pullPolicy,
		securityContext: CONTAINER_SECURITY,
		env: [
			{ name: 'REDIS_PASSWORD', valueFrom: password },
			// redis-cli of the probe reads it, so that the password is on no command line of a probe.
			{ name: 'REDISCLI_AUTH', valueFrom: password },
		],
		args: [
			'--requirepass',
			'$(REDIS_PASSWORD)',
			'--maxmemory',
			`${maxMemoryMb}mb`,
			// Full means an error to the writer, who counts it; evicting would lose messages in silence.
			'--maxmemory-policy',
			'noeviction',
			'--save',
			'',
			'--appendonly',
			persistence.enabled ? 'yes' : 'no',
		],
		ports: [{ name: 'redis', containerPort: 6379 }],
		readinessProbe: { exec: { command: ['redis-cli', 'ping'] }, periodSeconds: 2, timeoutSeconds: 2 },
		livenessProbe: { tcpSocket: { port: 'redis' }, periodSeconds: 10 },
		resources: { ...optional('requests', resources.requests), limits: { memory: `${Math.floor((maxMemoryMb * 5) / 4)}Mi` } },
		volumeMounts: [{ name: 'data', mountPath: '/data' }],
	};
}
