/** What the API answers: discovery, values, and Status objects for what can not be answered. Pure. */
import { toKubeTime } from '../../kube/conditions.ts';
import { GROUP, POD_METRICS, type PodMetricName, VERSION } from './pod-metrics.ts';
import type { ValuesRequest } from './request.ts';

const GROUP_VERSION = { groupVersion: `${GROUP}/${VERSION}`, version: VERSION };
const API_GROUP = { name: GROUP, versions: [GROUP_VERSION], preferredVersion: GROUP_VERSION };

export const API_GROUP_LIST = { kind: 'APIGroupList', apiVersion: 'v1', groups: [API_GROUP] };
export const API_GROUP_DOCUMENT = { kind: 'APIGroup', apiVersion: 'v1', ...API_GROUP };
export const API_RESOURCE_LIST = {
	kind: 'APIResourceList',
	apiVersion: 'v1',
	groupVersion: GROUP_VERSION.groupVersion,
	resources: Object.keys(POD_METRICS).map((metric) => ({
		name: `pods/${metric}`,
		singularName: '',
		namespaced: true,
		kind: 'MetricValueList',
		verbs: ['get'],
	})),
};
export const OPEN_API_ROOT = { paths: {} };

export interface PodValue {
	readonly namespace: string;
	readonly pod: string;
	readonly value: number;
	/** When the pod was read. */
	readonly readAt: Date;
}

export function buildValueList(metric: PodMetricName, values: readonly PodValue[]): object {
	return {
		kind: 'MetricValueList',
		apiVersion: GROUP_VERSION.groupVersion,
		metadata: {},
		items: values.map(({ namespace, pod, value, readAt }) => ({
			describedObject: { kind: 'Pod', namespace, name: pod, apiVersion: '/v1' },
			metric: { name: metric, selector: null },
			timestamp: toKubeTime(readAt),
			value: toQuantity(value),
		})),
	};
}

/** resource.Quantity: thousandths are as fine as the autoscaler computes. */
function toQuantity(value: number): string {
	return Number.isInteger(value) ? String(value) : `${Math.round(value * 1000)}m`;
}

/** As metav1.Status; its code is the HTTP status. */
export interface Status {
	readonly kind: 'Status';
	readonly apiVersion: 'v1';
	readonly metadata: Readonly<Record<string, never>>;
	readonly status: 'Failure';
	readonly message: string;
	readonly reason: string;
	readonly code: number;
}

const REASONS = {
	400: 'BadRequest',
	401: 'Unauthorized',
	403: 'Forbidden',
	404: 'NotFound',
	405: 'MethodNotAllowed',
	500: 'InternalError',
	504: 'Timeout',
} as const;

export function buildStatus(code: keyof typeof REASONS, message: string): Status {
	return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason: REASONS[code], code };
}

/** In the words of k8s.io/metrics, which people search for. */
export function metricNotFound({ metric, pod, selector }: ValuesRequest): Status {
	const whose = pod === '*' ? `pods${selector === '' ? '' : ` with selector ${selector}`}` : `pods ${pod}`;
	return buildStatus(404, `the server could not find the metric ${metric} for ${whose}; there are ${Object.keys(POD_METRICS).join(', ')}`);
}
