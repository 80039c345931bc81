/** Config -> the Socket.IO adapter of a worker: over Redis Streams, or over the bus of the pod when there is no Redis. */
import type { ServerOptions } from 'socket.io';
import type { Config } from '../config/schema.ts';
import type { FleetAdapter, FleetAdapterDeps } from './fleet-adapter.ts';
import { createInPodHub } from './in-pod.ts';
import { createStreamFleet } from './stream-fleet.ts';

export type { FleetAdapter, FleetAdapterDeps } from './fleet-adapter.ts';

/** What `new Server()` must be told beside the adapter. Without Redis there is no recovery: the handshake must not promise it. */
export function buildRecoveryOptions(config: Config): Pick<ServerOptions, 'connectionStateRecovery'> | Record<string, never> {
	if (config.redisUrl === '' || !config.recovery) {
		return {};
	}
	return {
		connectionStateRecovery: {
			maxDisconnectionDuration: config.recoveryWindowMs,
			// A token may have expired, or its user been banned, while the client was away.
			skipMiddlewares: false,
		},
	};
}

export function createFleetAdapter(deps: FleetAdapterDeps): FleetAdapter {
	return deps.redis === undefined ? createInPodAdapter(deps) : createStreamFleet(deps, deps.redis);
}

function createInPodAdapter({ bus, log }: FleetAdapterDeps): FleetAdapter {
	const hub = createInPodHub(bus, log);
	return {
		// Socket.IO calls it with `new`, which an arrow function refuses.
		adapter: function adapterOf(nsp) {
			return hub.create(nsp);
		},
		attach: () => undefined,
		start: () => Promise.resolve(),
		reasons: () => [],
		close: () => hub.close(),
	};
}
