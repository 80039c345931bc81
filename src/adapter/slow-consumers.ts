/** Cuts clients off for whom too many bytes wait. They lose their connection, not their session: they may come back and recover. */
import type { Server } from 'socket.io';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Metrics } from '../metrics/registry.ts';
import { bufferedBytesOf, cutConnection, type EngineConnection } from './ending.ts';

export interface SlowConsumersDeps {
	readonly maxBufferedBytes: number;
	readonly metrics: Metrics;
	readonly log: Logger;
}

const CHECK_EVERY_MS = 500;

export class SlowConsumers implements Closable {
	readonly #deps: SlowConsumersDeps;
	readonly #connections = new Set<EngineConnection>();
	readonly #timer: NodeJS.Timeout;

	constructor(deps: SlowConsumersDeps) {
		this.#deps = deps;
		this.#timer = setInterval(() => this.#check(), CHECK_EVERY_MS);
		this.#timer.unref();
	}

	/** Watches every client that joins a namespace of `io`. */
	watch(io: Server): void {
		const onSocket = (socket: { readonly conn: EngineConnection }): void => this.#add(socket.conn);
		io.on('connection', onSocket);
		io.on('new_namespace', (nsp) => nsp.on('connection', onSocket));
	}

	close(): void {
		clearInterval(this.#timer);
		this.#connections.clear();
	}

	#add(connection: EngineConnection): void {
		if (!this.#connections.has(connection)) {
			this.#connections.add(connection);
			connection.once('close', () => this.#connections.delete(connection));
		}
	}

	#check(): void {
		const { maxBufferedBytes, metrics, log } = this.#deps;
		let total = 0;
		for (const connection of this.#connections) {
			const bytes = bufferedBytesOf(connection);
			if (bytes <= maxBufferedBytes) {
				total += bytes;
				continue;
			}
			metrics.inc('socketfleet_slow_consumers_total', {}, 1);
			log.info({ bytes, address: connection.remoteAddress }, 'a client does not read what it is sent: connection cut');
			cutConnection(connection);
		}
		metrics.set('socketfleet_buffered_bytes', {}, total);
	}
}
