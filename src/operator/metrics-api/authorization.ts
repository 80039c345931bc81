/**
 * Whether a user may read a value: asked of the API server, as every server behind the aggregator does. The front proxy vouches for who a
 * user is, not for what the user may do; discovery is open to whomever it vouches for. Answers are kept for a moment.
 */
import { withDeadline } from '../../base/deadline.ts';
import type { KubeClient } from '../../kube/client.ts';
import { apiVersionOf, pick, RESOURCES } from '../../kube/object.ts';
import { BriefCache } from './brief-cache.ts';
import type { User } from './front-proxy.ts';
import { GROUP, VERSION } from './pod-metrics.ts';
import type { ValuesRequest } from './request.ts';

export interface AuthorizerOptions {
	readonly client: Pick<KubeClient, 'create'>;
	readonly now?: () => number;
}

/** As long as Kubernetes' own servers keep them. */
const KEEP_MS = 10_000;
const DEADLINE_MS = 3000;
/** May do everything, by definition: its requests must not depend on an answer. */
const MASTERS = 'system:masters';

export class Authorizer {
	readonly #client: AuthorizerOptions['client'];
	readonly #answers: BriefCache<boolean>;

	constructor({ client, now }: AuthorizerOptions) {
		this.#client = client;
		this.#answers = new BriefCache(KEEP_MS, now);
	}

	/** Throws when the API server does not say. */
	async allows(user: User, { namespace, pod, metric }: ValuesRequest): Promise<boolean> {
		if (user.groups.includes(MASTERS)) {
			return true;
		}
		const attributes = { namespace, verb: 'get', group: GROUP, version: VERSION, resource: 'pods', subresource: metric, name: pod };
		const spec = { user: user.name, groups: user.groups, extra: user.extra, resourceAttributes: attributes };
		const key = JSON.stringify(spec);
		return this.#answers.get(key) ?? this.#review(key, spec);
	}

	async #review(key: string, spec: object): Promise<boolean> {
		const resource = RESOURCES.SubjectAccessReview;
		const review = { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: { name: '' }, spec };
		const answer = await withDeadline(this.#client.create(resource, review), DEADLINE_MS, 'the review of a request for metrics');
		const allowed = pick(answer, 'status', 'allowed') === true;
		this.#answers.set(key, allowed);
		return allowed;
	}
}
