/** The internal port: other pods name a worker once per connection, prove that they hold the fleet's key, and are handed to it. */
import { createServer, type Server, type Socket } from 'node:net';
import type { Config } from '../config/schema.ts';
import { listen } from '../edge/listen.ts';
import { stopReading } from '../edge/socket-handle.ts';
import type { Metrics } from '../metrics/registry.ts';
import { parsePreamble } from '../net/peer-preamble.ts';
import type { Supervisor } from './supervisor.ts';

export interface InternalListenerOptions {
	readonly config: Config;
	readonly supervisor: Supervisor;
	readonly metrics: Metrics;
}

const MAX_SKEW_MS = 60_000;

export class InternalListener {
	readonly #options: InternalListenerOptions;
	readonly #server: Server;
	readonly #keys: readonly string[];
	readonly #pending = new Set<Socket>();

	constructor(options: InternalListenerOptions) {
		this.#options = options;
		this.#keys = [options.config.fleetKey, options.config.fleetKeyPrevious].filter((key) => key !== '');
		this.#server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#read(socket));
	}

	/** Resolves to the port; rejects with ERR_PORT. */
	listen(): Promise<number> {
		const { host, internalPort } = this.#options.config;
		return listen(this.#server, { host, port: internalPort, option: 'internalPort' });
	}

	close(): void {
		this.#server.close();
		for (const socket of this.#pending) {
			socket.destroy();
		}
	}

	#read(socket: Socket): void {
		const { config, metrics, supervisor } = this.#options;
		if (this.#pending.size >= config.maxPendingHeads) {
			metrics.inc('socketfleet_rejected_connections_total', { reason: 'too_many_pending' });
			socket.destroy();
			return;
		}
		let bytes: Buffer = Buffer.alloc(0);
		const finish = (): void => {
			clearTimeout(timer);
			this.#pending.delete(socket);
			socket.off('data', onData).off('error', drop).off('close', finish);
		};
		const drop = (): void => {
			finish();
			socket.destroy();
		};
		const reject = (): void => {
			metrics.inc('socketfleet_rejected_connections_total', { reason: 'bad_preamble' });
			drop();
		};
		const onData = (chunk: Buffer): void => {
			bytes = Buffer.concat([bytes, chunk]);
			const parsed = parsePreamble(bytes, { keys: this.#keys, pod: supervisor.pod, now: Date.now(), maxSkewMs: MAX_SKEW_MS });
			if (parsed.kind === 'need-more') {
				return;
			}
			if (parsed.kind === 'invalid') {
				reject();
				return;
			}
			stopReading(socket);
			finish();
			this.#handOver(socket, parsed.slot, bytes.subarray(parsed.length));
		};
		const timer = setTimeout(reject, config.headTimeoutMs);
		this.#pending.add(socket);
		socket.on('data', onData).on('error', drop).on('close', finish);
		socket.resume();
	}

	/** A worker that is gone is told by closing the connection: the other pod then answers for it. */
	#handOver(socket: Socket, slot: number, bytes: Buffer): void {
		const { supervisor, metrics } = this.#options;
		if (!supervisor.isAlive(slot)) {
			socket.destroy();
			return;
		}
		metrics.inc('socketfleet_handovers_total', { source: 'internal' });
		supervisor.send(slot, { kind: 'connection', via: 'internal', bytes, source: undefined }, socket, (error) => {
			if (error) {
				metrics.inc('socketfleet_handover_failures_total', { reason: 'worker_gone' });
				socket.destroy();
			}
		});
	}
}
