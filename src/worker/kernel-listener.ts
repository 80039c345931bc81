/**
 * The public port under `kernel`: every worker accepts for itself from one shared handle. `reusePort` spreads better but resets the
 * connections that wait at a worker that ends (measured: 13 to 60 of 1,100 to 1,700 at a rolling restart; one shared handle: none).
 */
import type { Server as HttpServer } from 'node:http';
import { createServer } from 'node:net';
import type { Closable } from '../base/lifecycle.ts';
import type { Config } from '../config/schema.ts';
import { HeadReader } from '../edge/head-reader.ts';
import { listen } from '../edge/listen.ts';
import type { Metrics } from '../metrics/registry.ts';
import { adoptConnection } from './connections.ts';

export interface KernelListener extends Closable {
	readonly port: number;
}

/** Rejects with ERR_PORT. */
export async function listenByKernel(config: Config, metrics: Metrics, server: HttpServer): Promise<KernelListener> {
	const reader = new HeadReader({
		config,
		onArrival: (socket, { bytes, source }) => adoptConnection(server, socket, { bytes, source }),
		onRejected: (reason) => metrics.inc('socketfleet_rejected_connections_total', { reason }),
	});
	const listener = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => reader.read(socket));
	const port = await listen(listener, { host: config.host, port: config.port, option: 'port' });
	return {
		port,
		close: () => {
			listener.close();
			reader.close();
		},
	};
}
