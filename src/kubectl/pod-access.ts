/** The admin port of a pod, through the API server: what it says of itself, and its drain. Every request but a stream has a deadline. */
import { type IncomingMessage, request } from 'node:http';
import { withDeadline } from '../base/deadline.ts';
import { AppError, messageOf } from '../base/errors.ts';
import type { PodStatus } from '../fleet/pod-status.ts';
import { readStatuses } from '../fleet/status-stream.ts';
import type { KubeClient } from '../kube/client.ts';
import { isFailure } from '../kube/errors.ts';
import { type KubeObject, pick, pickList, pickNumber } from '../kube/object.ts';
import type { DialPod } from '../kube/port-forward.ts';
import { fleetContainer } from './container.ts';
import { createTokenReader } from './tokens.ts';

export interface PodAccess {
	/** Throws ERR_UNREACHABLE, ERR_UNAUTHORIZED, or KubeError when the cluster refuses; so do all. */
	status(pod: KubeObject): Promise<PodStatus>;
	metrics(pod: KubeObject): Promise<string>;
	/** Each second one, until the signal or until the pod ends it. */
	statuses(pod: KubeObject, signal: AbortSignal): AsyncGenerator<PodStatus>;
	/** Out of service: readiness fails, then its connections are closed. */
	cordon(pod: KubeObject, pace: { readonly delayMs: number; readonly spreadMs: number }): Promise<void>;
	uncordon(pod: KubeObject): Promise<void>;
}

const DEADLINE_MS = 10_000;
const ADMIN_PORT = 9464;

export function createPodAccess(client: KubeClient, dialPod: DialPod): PodAccess {
	const tokens = createTokenReader(client);

	const open = async (pod: KubeObject, method: string, path: string, token: string, signal: AbortSignal): Promise<IncomingMessage> => {
		const { name, namespace = '' } = pod.metadata;
		const stream = await withDeadline(dialPod({ namespace, name }, adminPortOf(pod)), DEADLINE_MS, 'reaching it');
		signal.addEventListener('abort', () => stream.destroy());
		const headers = { host: name, ...(token === '' ? {} : { authorization: `Bearer ${token}` }) };
		const response = await new Promise<IncomingMessage>((resolve, reject) => {
			request({ method, path, headers, signal, createConnection: () => stream }, resolve)
				.once('error', (error) => reject(stream.errored ?? error))
				.end();
		});
		const status = response.statusCode ?? 0;
		if (status >= 400) {
			response.destroy();
			const code = status === 401 ? 'ERR_UNAUTHORIZED' : 'ERR_UNREACHABLE';
			throw new AppError(code, `it answered ${method} ${path.split('?')[0]} with ${status}`);
		}
		return response;
	};

	const call = async (pod: KubeObject, method: string, path: string, token: string): Promise<string> => {
		try {
			const response = await open(pod, method, path, token, AbortSignal.timeout(DEADLINE_MS));
			let text = '';
			for await (const chunk of response.setEncoding('utf8')) {
				text += String(chunk);
			}
			return text;
		} catch (error) {
			throw explain(pod, error);
		}
	};

	return {
		status: async (pod) => JSON.parse(await call(pod, 'GET', '/status', await tokens.forReading(pod))) as PodStatus,
		metrics: async (pod) => call(pod, 'GET', '/metrics', await tokens.forReading(pod)),
		async *statuses(pod, signal) {
			try {
				const response = await open(pod, 'GET', '/status/stream', await tokens.forReading(pod), signal);
				yield* readStatuses(response);
			} catch (error) {
				throw explain(pod, error);
			}
		},
		cordon: async (pod, { delayMs, spreadMs }) => {
			await call(pod, 'POST', `/drain?delayMs=${delayMs}&spreadMs=${spreadMs}`, await tokens.forClosing(pod));
		},
		uncordon: async (pod) => {
			await call(pod, 'DELETE', '/drain', await tokens.forClosing(pod));
		},
	};
}

/** What the cluster refuses stays as it is: it is no fault of the pod. */
function explain({ metadata: { name } }: KubeObject, error: unknown): unknown {
	if (isFailure(error, 'forbidden')) {
		return error;
	}
	const code = error instanceof AppError && error.code === 'ERR_UNAUTHORIZED' ? error.code : 'ERR_UNREACHABLE';
	return new AppError(code, `pod ${name}: ${messageOf(error)}`, { cause: error });
}

function adminPortOf(pod: KubeObject): number {
	const admin = pickList(fleetContainer(pod), 'ports').find((port) => pick(port, 'name') === 'admin');
	return pickNumber(admin, ['containerPort'], ADMIN_PORT);
}
