/** The HorizontalPodAutoscaler. It scales the SocketFleet, not the Deployment: the operator then chooses and drains the pods that go. */
import type { KubeObject } from '../../kube/object.ts';
import { apiVersionOf, RESOURCES } from '../../kube/object.ts';
import type { GaugeName } from '../../metrics/catalog.ts';
import type { JsonObject } from '../api/field.ts';
import type { FleetSpec } from '../api/spec.ts';
import { type FleetInput, graceSeconds } from './names.ts';
import { frame } from './object.ts';

/** What Kubernetes takes as the period of a scaling policy. */
const MAX_PERIOD_S = 1800;
const MIN_PERIOD_S = 15;

export function buildHpa(fleet: FleetInput): KubeObject | undefined {
	const { enabled, minReplicas, maxReplicas, scaleDownWindowSeconds } = fleet.spec.autoscaling;
	if (!enabled) {
		return undefined;
	}
	return frame(
		fleet,
		'HorizontalPodAutoscaler',
		{},
		{
			spec: {
				scaleTargetRef: { apiVersion: apiVersionOf(RESOURCES.SocketFleet), kind: 'SocketFleet', name: fleet.name },
				minReplicas,
				maxReplicas,
				metrics: buildMetrics(fleet.spec.autoscaling),
				behavior: {
					// New pods take new connections only: grow at once.
					scaleUp: {
						stabilizationWindowSeconds: 0,
						policies: [
							{ type: 'Percent', value: 100, periodSeconds: 15 },
							{ type: 'Pods', value: 4, periodSeconds: 15 },
						],
						selectPolicy: 'Max',
					},
					// Each removal moves its clients: one pod for each drain.
					scaleDown: {
						stabilizationWindowSeconds: scaleDownWindowSeconds,
						policies: [{ type: 'Pods', value: 1, periodSeconds: drainPeriodSeconds(fleet) }],
						selectPolicy: 'Min',
					},
				},
			},
		},
	);
}

/** Of several the one that wants most pods decides. */
function buildMetrics({ targetCpuPercent, targetConnections, targetEventLoopPercent, metrics }: FleetSpec['autoscaling']): JsonObject[] {
	const cpu = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: targetCpuPercent } } };
	return [
		...(targetCpuPercent > 0 ? [cpu] : []),
		...(targetConnections > 0 ? [perPod('socketfleet_connections', wholeQuantity(targetConnections))] : []),
		...(targetEventLoopPercent > 0 ? [perPod('socketfleet_event_loop_utilization_ratio', `${targetEventLoopPercent * 10}m`)] : []),
		...metrics,
	];
}

function perPod(name: GaugeName, averageValue: string): JsonObject {
	return { type: 'Pods', pods: { metric: { name }, target: { type: 'AverageValue', averageValue } } };
}

/** As the API server writes it, or the object would differ from what is wanted at each look. */
function wholeQuantity(value: number): string {
	return value % 1000 === 0 ? `${value / 1000}k` : String(value);
}

function drainPeriodSeconds({ spec }: FleetInput): number {
	return Math.min(MAX_PERIOD_S, Math.max(MIN_PERIOD_S, graceSeconds(spec)));
}
