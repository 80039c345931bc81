/**
 * A byte stream to a port of a pod, through the API server. The proxy of the API server would be simpler, but it strips the `Authorization`
 * header, and pods want their token there.
 */
import { Duplex, PassThrough } from 'node:stream';
import { type KubeConfig, PortForward } from '@kubernetes/client-node';
import { messageOf } from '../base/errors.ts';
import { KubeError } from './errors.ts';
import type { ObjectRef } from './object.ts';

/** One connection. Rejects with KubeError; a stream that breaks later is destroyed with it. */
export type DialPod = (pod: ObjectRef, port: number) => Promise<Duplex>;

export function createPodDialer(config: KubeConfig): DialPod {
	const forward = new PortForward(config);
	return async ({ namespace, name }, port) => {
		const toPod = new PassThrough();
		const fromPod = new PassThrough();
		const refusal = new PassThrough();
		const stream = Duplex.from({ readable: fromPod, writable: toPod });
		const what = `port-forward to pod ${name}`;
		let socket: Socket | undefined;
		const hangUp = (): void => socket?.close();
		// An error may come before anyone uses the stream: it is found in `errored` then.
		stream.once('close', hangUp).on('error', hangUp);
		// The kubelet answers on a channel of its own when nothing listens on the port.
		refusal.on('data', (text: Buffer) => stream.destroy(new KubeError('unreachable', `${what}: ${text.toString().trim()}`)));
		socket = await connect(what, () => forward.portForward(namespace, name, [port], fromPod, refusal, toPod));
		socket.once('close', () => fromPod.end());
		if (stream.errored) {
			hangUp();
			throw stream.errored;
		}
		return stream;
	};
}

/** What is used of the `ws` WebSocket. */
interface Socket {
	once(event: 'close', listener: () => void): unknown;
	close(): void;
}

async function connect(what: string, open: () => Promise<unknown>): Promise<Socket> {
	try {
		// A function only when retries are asked for.
		return (await open()) as Socket;
	} catch (error) {
		throw toKubeError(what, error);
	}
}

/** `ws` says no more of a refused upgrade than its status code, and hands over an event in place of an error. */
function toKubeError(what: string, thrown: unknown): KubeError {
	const said = typeof thrown === 'object' && thrown !== null && 'message' in thrown ? String(thrown.message) : messageOf(thrown);
	const status = Number(/response: (\d{3})/.exec(said)?.[1] ?? 0);
	if (status === 401 || status === 403) {
		return new KubeError('forbidden', `${what}: not allowed; it takes the verbs get and create on pods/portforward`, {
			httpStatus: status,
		});
	}
	return new KubeError(status === 404 ? 'not-found' : 'unreachable', `${what}: ${said}`, { httpStatus: status, cause: thrown });
}
