/** One command against one cluster: its client, the way to pods, the namespace, and what its failures mean to the person who typed it. */
import { AppError } from '../base/errors.ts';
import { createKubeClient, type KubeClient } from '../kube/client.ts';
import { loadCredentials } from '../kube/credentials.ts';
import { KubeError } from '../kube/errors.ts';
import { createTransport } from '../kube/transport.ts';
import { createPodAccess, type PodAccess } from './pod-access.ts';

/** Flags that every command has. */
export interface SessionFlags {
	readonly namespace?: string;
	readonly context?: string;
	readonly kubeconfig?: string;
	readonly output: 'table' | 'json';
}

export interface Session {
	readonly client: KubeClient;
	readonly pods: PodAccess;
	readonly namespace: string;
	readonly json: boolean;
	/** The answer of the command: whole lines. */
	print(text: string): void;
}

const REQUEST_TIMEOUT_MS = 15_000;

/** Throws what a person can act on: ERR_FORBIDDEN names the right that is missing, ERR_UNREACHABLE the address. */
export async function withSession(flags: SessionFlags, work: (session: Session) => Promise<void>): Promise<void> {
	const { server, authorize, namespace, dialPod } = loadCredentials(flags);
	const client = createKubeClient({ transport: createTransport(server, authorize), requestTimeoutMs: REQUEST_TIMEOUT_MS });
	try {
		await work({
			client,
			pods: createPodAccess(client, dialPod),
			namespace: flags.namespace ?? namespace,
			json: flags.output === 'json',
			print: (text) => void process.stdout.write(text),
		});
	} catch (error) {
		throw error instanceof KubeError ? explain(error, server) : error;
	} finally {
		await client.close();
	}
}

/** The API server's own sentence says which verb on what is missing. */
function explain(error: KubeError, server: string): AppError {
	if (error.httpStatus === 401) {
		return new AppError('ERR_UNAUTHORIZED', `the cluster does not know you: ${error.message}; log in again`, { cause: error });
	}
	if (error.failure === 'forbidden') {
		return new AppError('ERR_FORBIDDEN', `the cluster does not allow it: ${error.message}`, { cause: error });
	}
	if (error.failure === 'unreachable' && error.httpStatus === 0) {
		return new AppError('ERR_UNREACHABLE', `the cluster at ${server}: ${error.message}; is it the right context?`, { cause: error });
	}
	return error;
}
