/** The public port under `ip-hash`: accept, learn the client's address, hand the connection to its worker. */
import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { answerAndClose } from '../edge/answers.ts';
import { type Arrival, HeadReader } from '../edge/head-reader.ts';
import { listen } from '../edge/listen.ts';
import { hasHandle } from '../edge/socket-handle.ts';
import type { Metrics } from '../metrics/registry.ts';
import { isLoopback } from '../net/client-address.ts';
import { pickSlot } from '../net/ring.ts';
import { parseSessionId } from '../net/session-id.ts';
import { DominantPeer } from './dominant-peer.ts';
import type { Supervisor } from './supervisor.ts';

export interface AcceptorOptions {
	readonly config: Config;
	readonly supervisor: Supervisor;
	readonly metrics: Metrics;
	readonly log: Logger;
}

const RETRY_AFTER_S = 1;
const BACKLOG = 4096;

export class Acceptor {
	readonly #options: AcceptorOptions;
	readonly #reader: HeadReader;
	readonly #server: Server;
	readonly #dominantPeer: DominantPeer;
	/** Connections that arrived while no worker was ready, oldest first. */
	readonly #waiting = new Map<Socket, { arrival: Arrival; timer: NodeJS.Timeout }>();

	constructor(options: AcceptorOptions) {
		this.#options = options;
		const { config, metrics, log } = options;
		this.#dominantPeer = new DominantPeer(log, metrics);
		this.#reader = new HeadReader({
			config,
			onArrival: (socket, arrival) => this.#place(socket, arrival),
			onRejected: (reason) => metrics.inc('socketfleet_rejected_connections_total', { reason }),
		});
		this.#server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#onConnection(socket));
	}

	/** Resolves to the port; rejects with ERR_PORT. */
	listen(): Promise<number> {
		const { host, port } = this.#options.config;
		return listen(this.#server, { host, port, backlog: BACKLOG, option: 'port' });
	}

	/** To be called when a worker became ready: places what waited for one. */
	placeWaiting(): void {
		if (this.#options.supervisor.readySlots().length === 0) {
			return;
		}
		for (const [socket, { arrival, timer }] of this.#waiting) {
			clearTimeout(timer);
			this.#waiting.delete(socket);
			this.#place(socket, arrival);
		}
	}

	/** Takes no more connections. Those that were handed over are the workers'. */
	close(): void {
		this.#server.close();
		this.#reader.close();
		for (const [socket, { timer }] of this.#waiting) {
			clearTimeout(timer);
			this.#refuse(socket);
		}
		this.#waiting.clear();
	}

	#onConnection(socket: Socket): void {
		if (this.#options.config.addressSource === 'socket') {
			this.#dominantPeer.note(socket.remoteAddress);
		}
		this.#reader.read(socket);
	}

	#place(socket: Socket, arrival: Arrival): void {
		const { supervisor, metrics, config } = this.#options;
		const slot = this.#ownerOf(arrival.sessionId) ?? pickSlot(placementKey(arrival), supervisor.readySlots());
		if (slot === undefined) {
			this.#wait(socket, arrival);
			return;
		}
		metrics.inc('socketfleet_handovers_total', { source: config.addressSource });
		const message = { kind: 'connection', via: 'public', bytes: arrival.bytes, source: arrival.source } as const;
		supervisor.send(slot, message, socket, (error) => {
			if (error) {
				metrics.inc('socketfleet_handover_failures_total', { reason: 'worker_gone' });
				// In a later turn, when the end of that worker has been noticed.
				setImmediate(() => this.#placeAgain(socket, arrival));
			}
		});
	}

	/** The worker ended before it had the connection: another takes it, unless Node has given up the handle. */
	#placeAgain(socket: Socket, arrival: Arrival): void {
		if (hasHandle(socket)) {
			this.#place(socket, arrival);
		} else {
			socket.destroy();
		}
	}

	/** A session that lives in this pod goes to its worker, whatever its address hashes to. */
	#ownerOf(sessionId: string | undefined): number | undefined {
		const owner = sessionId === undefined ? undefined : parseSessionId(sessionId);
		const { supervisor } = this.#options;
		return owner && owner.pod === supervisor.pod && supervisor.isAlive(owner.slot) ? owner.slot : undefined;
	}

	/** A restarting pod has no ready worker for a moment: better late than refused. */
	#wait(socket: Socket, arrival: Arrival): void {
		const { supervisor, config } = this.#options;
		if (!supervisor.anyStarting() || this.#waiting.size >= config.maxPendingHeads) {
			this.#refuse(socket);
			return;
		}
		const timer = setTimeout(() => {
			this.#waiting.delete(socket);
			this.#refuse(socket);
		}, config.headTimeoutMs);
		this.#waiting.set(socket, { arrival, timer });
	}

	#refuse(socket: Socket): void {
		this.#options.metrics.inc('socketfleet_rejected_connections_total', { reason: 'no_worker' });
		answerAndClose(socket, 503, { message: 'no worker is ready' }, [`Retry-After: ${RETRY_AFTER_S}`]);
	}
}

/** Loopback peers hash by address and port, so that the tabs of one developer spread over the workers. */
export function placementKey({ address, port }: Pick<Arrival, 'address' | 'port'>): string {
	return isLoopback(address) ? `${address}:${port}` : address;
}
