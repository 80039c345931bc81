/** The answers of the API: who asks, whether they may, and the values of their pods. Knows no sockets. */
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { Authorizer } from './authorization.ts';
import {
	API_GROUP_DOCUMENT,
	API_GROUP_LIST,
	API_RESOURCE_LIST,
	buildStatus,
	buildValueList,
	metricNotFound,
	OPEN_API_ROOT,
	type PodValue,
	type Status,
} from './documents.ts';
import { authenticate, type FrontProxyTrust, type Headers, type Peer, type User } from './front-proxy.ts';
import { isPodMetric, type PodMetricName } from './pod-metrics.ts';
import type { PodReader } from './pod-reader.ts';
import { type FixedKind, parseRequest, type ValuesRequest } from './request.ts';

export interface ApiOptions {
	readonly authorizer: Pick<Authorizer, 'allows'>;
	readonly reader: Pick<PodReader, 'read'>;
	/** Pods of fleets, of the operator or of the chart, that are not over. */
	readonly podsIn: (namespace: string) => readonly KubeObject[];
	readonly log: Logger;
}

export interface Call {
	readonly method: string;
	readonly url: string;
	readonly headers: Headers;
	readonly peer: Peer;
	/** Undefined: the cluster has no front proxy, so that nobody can prove to be it. */
	readonly trust: FrontProxyTrust | undefined;
}

export interface Answer {
	readonly code: number;
	readonly body: object;
}

const FIXED: Readonly<Record<FixedKind, object>> = {
	live: { live: true },
	groups: API_GROUP_LIST,
	group: API_GROUP_DOCUMENT,
	resources: API_RESOURCE_LIST,
	'open-api': OPEN_API_ROOT,
};

export class CustomMetricsApi {
	readonly #options: ApiOptions;

	constructor(options: ApiOptions) {
		this.#options = options;
	}

	/** Never rejects. */
	async answer({ method, url, headers, peer, trust }: Call): Promise<Answer> {
		const request = parseRequest(method, url);
		if (request.kind === 'live') {
			return { code: 200, body: FIXED.live };
		}
		const user = trust && authenticate(trust, peer, headers);
		if (!user) {
			return refusal(buildStatus(401, "Unauthorized: this is for the API server's front proxy"));
		}
		switch (request.kind) {
			case 'malformed':
				return refusal(buildStatus(400, request.problem));
			case 'unknown-path':
				return refusal(buildStatus(404, 'the server could not find the requested resource'));
			case 'wrong-method':
				return refusal(buildStatus(405, 'the server does not allow this method on the requested resource'));
			case 'values':
				return this.#answerValues(user, request);
			default:
				return { code: 200, body: FIXED[request.kind] };
		}
	}

	async #answerValues(user: User, request: ValuesRequest): Promise<Answer> {
		const { authorizer, log } = this.#options;
		try {
			if (!(await authorizer.allows(user, request))) {
				const what = `pods/${request.metric} in the namespace ${request.namespace}`;
				return refusal(buildStatus(403, `User ${JSON.stringify(user.name)} cannot get ${what} of custom.metrics.k8s.io`));
			}
		} catch (error) {
			log.warn({ user: user.name, err: messageOf(error) }, 'the API server did not say whether a user may read metrics');
			return refusal(buildStatus(500, `the right to read metrics could not be reviewed: ${messageOf(error)}`));
		}
		if (!isPodMetric(request.metric) || !request.selectsSeries({})) {
			return refusal(metricNotFound(request));
		}
		const values = await this.#values(request, request.metric);
		if (request.pod !== '*' && values.length === 0) {
			return refusal(metricNotFound(request));
		}
		return { code: 200, body: buildValueList(request.metric, values) };
	}

	/** All at once: a pod that does not answer is left out, as the autoscaler expects of pods that it can't judge. */
	async #values({ namespace, pod, selects }: ValuesRequest, metric: PodMetricName): Promise<readonly PodValue[]> {
		const { podsIn, reader } = this.#options;
		const wanted = podsIn(namespace).filter(({ metadata }) => (pod === '*' ? selects(metadata.labels ?? {}) : metadata.name === pod));
		const values = await Promise.all(
			wanted.map(async (object): Promise<readonly PodValue[]> => {
				const timed = await reader.read(object);
				const value = timed?.reading[metric];
				return timed && value !== undefined ? [{ namespace, pod: object.metadata.name, value, readAt: timed.readAt }] : [];
			}),
		);
		return values.flat();
	}
}

function refusal(status: Status): Answer {
	return { code: status.code, body: status };
}
