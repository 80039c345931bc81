/** Reads just enough of a new connection to know where it belongs: a PROXY header, a request head, or nothing. */
import type { Socket } from 'node:net';
import type { Config } from '../config/schema.ts';
import { clientAddressFrom, createTrust, normalizeAddress } from '../net/client-address.ts';
import { scanHead, sessionIdOf } from '../net/http-head.ts';
import { parseProxyHeader } from '../net/proxy-protocol.ts';
import { answerBadHead } from './answers.ts';
import { stopReading } from './socket-handle.ts';

export type RejectReason = 'head_timeout' | 'head_too_large' | 'bad_head' | 'bad_proxy_header' | 'too_many_pending';

/** What was learned about a connection. */
export interface Arrival {
	readonly address: string;
	readonly port: number;
	/** Read and not consumed: to be put back. */
	readonly bytes: Buffer | undefined;
	/** Given by a trusted PROXY header, in place of the socket's peer. */
	readonly source: { readonly address: string; readonly port: number } | undefined;
	/** `sid` of the first request, when its head was read. */
	readonly sessionId: string | undefined;
}

export interface HeadReaderOptions {
	readonly config: Pick<Config, 'addressSource' | 'trustedProxies' | 'maxHeadBytes' | 'headTimeoutMs' | 'maxPendingHeads' | 'path'>;
	readonly onArrival: (socket: Socket, arrival: Arrival) => void;
	readonly onRejected: (reason: RejectReason) => void;
}

type Step =
	| { readonly kind: 'need-more' }
	| { readonly kind: 'arrived'; readonly arrival: Arrival }
	| { readonly kind: 'rejected'; readonly reason: RejectReason };

export class HeadReader {
	readonly #options: HeadReaderOptions;
	readonly #isTrusted: (address: string) => boolean;
	/** In order of arrival: the first is the oldest. */
	readonly #pending = new Map<Socket, (reason: RejectReason) => void>();

	constructor(options: HeadReaderOptions) {
		this.#options = options;
		this.#isTrusted = createTrust(options.config.trustedProxies);
	}

	/** Calls `onArrival` with a socket that is not being read, or answers and closes it. */
	read(socket: Socket): void {
		const { config } = this.#options;
		if (config.addressSource === 'socket') {
			const address = normalizeAddress(socket.remoteAddress ?? '');
			this.#options.onArrival(socket, { address, port: socket.remotePort ?? 0, bytes: undefined, source: undefined, sessionId: undefined });
			return;
		}
		this.#makeRoom();
		this.#collect(socket);
	}

	/** Connections whose head is still being read. */
	get pending(): number {
		return this.#pending.size;
	}

	close(): void {
		for (const socket of this.#pending.keys()) {
			socket.destroy();
		}
	}

	#makeRoom(): void {
		if (this.#pending.size < this.#options.config.maxPendingHeads) {
			return;
		}
		const oldest = this.#pending.values().next().value;
		oldest?.('too_many_pending');
	}

	#collect(socket: Socket): void {
		const { config } = this.#options;
		let bytes: Buffer = Buffer.alloc(0);
		const finish = (): void => {
			clearTimeout(timer);
			this.#pending.delete(socket);
			socket.off('data', onData).off('error', onGone).off('close', onGone);
		};
		const reject = (reason: RejectReason): void => {
			finish();
			this.#reject(socket, reason);
		};
		const onData = (chunk: Buffer): void => {
			bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
			const step = this.#step(socket, bytes);
			if (step.kind === 'rejected') {
				reject(step.reason);
			} else if (step.kind === 'arrived') {
				stopReading(socket);
				finish();
				this.#options.onArrival(socket, step.arrival);
			}
		};
		const onGone = (): void => {
			finish();
			socket.destroy();
		};
		const timer = setTimeout(() => reject('head_timeout'), config.headTimeoutMs);
		this.#pending.set(socket, reject);
		socket.on('data', onData).on('error', onGone).on('close', onGone);
		socket.resume();
	}

	#reject(socket: Socket, reason: RejectReason): void {
		this.#options.onRejected(reason);
		if (reason === 'bad_proxy_header' || reason === 'too_many_pending') {
			socket.on('error', () => socket.destroy());
			socket.destroy();
			return;
		}
		answerBadHead(socket, reason);
	}

	#step(socket: Socket, bytes: Buffer): Step {
		const peer = normalizeAddress(socket.remoteAddress ?? '');
		return this.#options.config.addressSource === 'proxy-protocol'
			? this.#readProxyHeader(peer, socket.remotePort ?? 0, bytes)
			: this.#readRequestHead(peer, socket.remotePort ?? 0, bytes);
	}

	#readProxyHeader(peer: string, peerPort: number, bytes: Buffer): Step {
		if (!this.#isTrusted(peer)) {
			return { kind: 'rejected', reason: 'bad_proxy_header' };
		}
		const parsed = parseProxyHeader(bytes);
		if (parsed.kind === 'need-more') {
			return parsed;
		}
		if (parsed.kind === 'invalid') {
			return { kind: 'rejected', reason: 'bad_proxy_header' };
		}
		const { source } = parsed;
		const address = source ? normalizeAddress(source.address) : peer;
		const port = source?.port ?? peerPort;
		return {
			kind: 'arrived',
			arrival: {
				address,
				port,
				bytes: bytes.subarray(parsed.length),
				source: source ? { address, port } : undefined,
				sessionId: undefined,
			},
		};
	}

	#readRequestHead(peer: string, peerPort: number, bytes: Buffer): Step {
		const { config } = this.#options;
		const scanned = scanHead(bytes, config.maxHeadBytes);
		if (scanned.kind === 'need-more') {
			return scanned;
		}
		if (scanned.kind !== 'found') {
			return { kind: 'rejected', reason: scanned.kind === 'too-large' ? 'head_too_large' : 'bad_head' };
		}
		const { head } = scanned;
		const address = clientAddressFrom(peer, head.header('x-forwarded-for'), this.#isTrusted);
		return {
			kind: 'arrived',
			arrival: { address, port: peerPort, bytes, source: undefined, sessionId: sessionIdOf(head.target, config.path) },
		};
	}
}
