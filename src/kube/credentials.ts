/** Where the API server is and how to authenticate: in a pod its service account, elsewhere the kubeconfig. With port-forward.ts the only importer of the official client. */
import { KubeConfig } from '@kubernetes/client-node';
import { AppError, messageOf } from '../base/errors.ts';
import { createPodDialer, type DialPod } from './port-forward.ts';
import type { Authorize } from './transport.ts';

export interface Credentials {
	readonly server: string;
	readonly authorize: Authorize;
	/** The namespace of the context or of the pod. */
	readonly namespace: string;
	readonly dialPod: DialPod;
}

/** What a person may say of it, as kubectl's flags of these names. */
export interface CredentialsOptions {
	/** File; otherwise $KUBECONFIG, ~/.kube/config, or the service account. */
	readonly kubeconfig?: string | undefined;
	/** Otherwise the current one. */
	readonly context?: string | undefined;
}

/** Throws ERR_KUBE when there is no usable configuration. */
export function loadCredentials({ kubeconfig, context }: CredentialsOptions = {}): Credentials {
	const config = loadConfig(kubeconfig);
	if (context !== undefined) {
		if (!config.getContextObject(context)) {
			const known = config.getContexts().map(({ name }) => name);
			throw new AppError('ERR_KUBE', `no context "${context}" in the kubeconfig; there are: ${known.join(', ') || 'none'}`);
		}
		config.setCurrentContext(context);
	}
	const cluster = config.getCurrentCluster();
	if (!cluster) {
		throw new AppError('ERR_KUBE', 'no cluster: not in a pod, and the kubeconfig has no current context');
	}
	return {
		server: cluster.server,
		authorize: (options) => config.applyToHTTPSOptions(options),
		namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? 'default',
		dialPod: createPodDialer(config),
	};
}

function loadConfig(file: string | undefined): KubeConfig {
	const config = new KubeConfig();
	try {
		if (file === undefined) {
			config.loadFromDefault();
		} else {
			config.loadFromFile(file);
		}
	} catch (error) {
		throw new AppError('ERR_KUBE', `the kubeconfig can't be read: ${messageOf(error)}`, { cause: error });
	}
	return config;
}
