/** Where the API server is and how to authenticate: in a pod its service account, elsewhere the kubeconfig. The only importer of the official client. */
import { KubeConfig } from '@kubernetes/client-node';
import { AppError, messageOf } from '../base/errors.ts';
import type { Authorize } from './transport.ts';

export interface Credentials {
	readonly server: string;
	readonly authorize: Authorize;
	/** The namespace of the context or of the pod. */
	readonly namespace: string;
}

/** Throws ERR_KUBE when there is no usable configuration. */
export function loadCredentials(): Credentials {
	const config = new KubeConfig();
	try {
		config.loadFromDefault();
	} catch (error) {
		throw new AppError('ERR_KUBE', `the kubeconfig can't be read: ${messageOf(error)}`, { cause: error });
	}
	const cluster = config.getCurrentCluster();
	if (!cluster) {
		throw new AppError('ERR_KUBE', 'no cluster: not in a pod, and the kubeconfig has no current context');
	}
	return {
		server: cluster.server,
		authorize: (options) => config.applyToHTTPSOptions(options),
		namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? 'default',
	};
}
