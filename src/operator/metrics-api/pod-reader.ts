/** Reads pods when someone asks, at most once in a few seconds each. A pod that hangs or refuses costs its own value and no more than its deadline. */
import { withDeadline } from '../../base/deadline.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { envNameOf } from '../../config/schema.ts';
import { type FleetPod, toFleetPod } from '../../fleet/pods.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, pickList, pickText, RESOURCES, secretText } from '../../kube/object.ts';
import type { PodAdmin } from '../pod-admin.ts';
import { BriefCache } from './brief-cache.ts';
import { type PodReading, readPage } from './pod-metrics.ts';

export interface PodReaderOptions {
	readonly client: Pick<KubeClient, 'get'>;
	readonly podAdmin: Pick<PodAdmin, 'metrics'>;
	readonly log: Logger;
	readonly now?: () => number;
}

export interface TimedReading {
	readonly reading: PodReading;
	readonly readAt: Date;
}

/** Below the 15 s between two looks of an autoscaler; several metrics of one look share a reading. */
const KEEP_MS = 5000;
/** A token changes when its pods are replaced. */
const KEEP_TOKEN_MS = 60_000;
const DEADLINE_MS = 3000;
const TOKEN_ENV = envNameOf('adminToken');

export class PodReader {
	readonly #options: PodReaderOptions;
	/** By uid. A failure is kept as well, so that a pod that hangs is not waited for by each request. */
	readonly #readings: BriefCache<Promise<TimedReading | undefined>>;
	/** By namespace, name and key of the Secret. */
	readonly #tokens: BriefCache<Promise<string>>;

	constructor(options: PodReaderOptions) {
		this.#options = options;
		this.#readings = new BriefCache(KEEP_MS, options.now);
		this.#tokens = new BriefCache(KEEP_TOKEN_MS, options.now);
	}

	/** Never rejects; undefined: the pod does not answer, has not come up, or is on its way out. */
	read(object: KubeObject): Promise<TimedReading | undefined> {
		const pod = toFleetPod(object);
		if (pod.ip === '' || pod.terminating) {
			return Promise.resolve(undefined);
		}
		const known = this.#readings.get(pod.uid);
		if (known) {
			return known;
		}
		const reading = this.#ask(pod, tokenRefOf(object));
		this.#readings.set(pod.uid, reading);
		return reading;
	}

	async #ask(pod: FleetPod, tokenRef: TokenRef | undefined): Promise<TimedReading | undefined> {
		const { podAdmin, log, now = Date.now } = this.#options;
		try {
			const page = this.#tokenOf(pod, tokenRef).then((token) => podAdmin.metrics(pod, token));
			return { reading: readPage(await withDeadline(page, DEADLINE_MS, 'reading a pod')), readAt: new Date(now()) };
		} catch (error) {
			const level = pod.ready ? 'warn' : 'debug';
			log[level]({ pod: pod.name, namespace: pod.namespace, err: messageOf(error) }, 'a pod has no value for its autoscaler');
			return undefined;
		}
	}

	/** The one that the pod itself was given: fleets of the chart have no spec to look it up in. Empty: it asks for none. */
	#tokenOf({ namespace }: FleetPod, ref: TokenRef | undefined): Promise<string> {
		if (!ref) {
			return Promise.resolve('');
		}
		const id = `${namespace}/${ref.name}/${ref.key}`;
		const known = this.#tokens.get(id);
		if (known) {
			return known;
		}
		const token = this.#readToken(namespace, ref);
		this.#tokens.set(id, token);
		token.catch(() => this.#tokens.delete(id));
		return token;
	}

	async #readToken(namespace: string, { name, key }: TokenRef): Promise<string> {
		return secretText(await this.#options.client.get(RESOURCES.Secret, { namespace, name }), key);
	}
}

interface TokenRef {
	readonly name: string;
	readonly key: string;
}

/** The Secret from which the pod has its admin token: whoever may make pods in a namespace may name its Secrets in them. */
function tokenRefOf(pod: KubeObject): TokenRef | undefined {
	const env = pickList(pod, 'spec', 'containers').flatMap((container) => pickList(container, 'env'));
	const variable = env.find((each) => pickText(each, 'name') === TOKEN_ENV);
	const ref = {
		name: pickText(variable, 'valueFrom', 'secretKeyRef', 'name'),
		key: pickText(variable, 'valueFrom', 'secretKeyRef', 'key'),
	};
	return ref.name === '' ? undefined : ref;
}
