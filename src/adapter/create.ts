/** Config -> the Socket.IO adapter of a worker: over Redis Streams, or over the bus of the pod when there is no Redis. */
import type { ServerOptions } from 'socket.io';
import type { Config } from '../config/schema.ts';
import type { FleetAdapter, FleetAdapterDeps } from './fleet-adapter.ts';
import { createInPodFleet } from './in-pod.ts';

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

/** The Redis side is loaded only where there is Redis: a worker without it is 10 MB smaller. */
export async function createFleetAdapter(deps: FleetAdapterDeps): Promise<FleetAdapter> {
	if (deps.redis === undefined) {
		return createInPodFleet(deps);
	}
	const { createStreamFleet } = await import('./stream-adapter.ts');
	return createStreamFleet(deps, deps.redis);
}
