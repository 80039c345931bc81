/** PodMonitor and ServiceMonitor of the Prometheus operator. */

import type { KubeObject } from '../../kube/object.ts';
import type { JsonObject } from '../api/field.ts';
import type { FleetSpec } from '../api/spec.ts';
import { type FleetInput, instanceLabels, selectorLabels } from './names.ts';
import { frame } from './object.ts';

export function buildPodMonitor(fleet: FleetInput): KubeObject | undefined {
	const { enabled, labels, interval } = fleet.spec.monitoring.podMonitor;
	if (!enabled) {
		return undefined;
	}
	return frame(
		fleet,
		'PodMonitor',
		{ labels },
		{
			spec: { selector: { matchLabels: selectorLabels(fleet) }, podMetricsEndpoints: [endpoint(fleet.spec, interval)] },
		},
	);
}

export function buildServiceMonitor(fleet: FleetInput): KubeObject | undefined {
	const { enabled, labels, interval } = fleet.spec.monitoring.serviceMonitor;
	if (!enabled) {
		return undefined;
	}
	const matchLabels = { ...instanceLabels(fleet), 'socketfleet.dev/service': 'headless' };
	return frame(fleet, 'ServiceMonitor', { labels }, { spec: { selector: { matchLabels }, endpoints: [endpoint(fleet.spec, interval)] } });
}

function endpoint({ admin }: FleetSpec, interval: string): JsonObject {
	const name = admin.existingSecret;
	return { port: 'admin', path: '/metrics', interval, ...(name === '' ? {} : { authorization: { credentials: { name, key: 'token' } } }) };
}
