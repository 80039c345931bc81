/** Socket.IO's server of a worker: its options, its adapter, ids that name their owner, the true address of clients. */
import { type Namespace, Server, type ServerOptions } from 'socket.io';
import { buildRecoveryOptions, type FleetAdapter } from '../adapter/create.ts';
import type { Config } from '../config/schema.ts';
import type { Metrics } from '../metrics/registry.ts';
import { mintSessionId, type SessionOwner } from '../net/session-id.ts';
import type { AppDefinition } from './app.ts';
import { engineOf } from './engine.ts';
import type { Edges } from './server.ts';
import { countSessions } from './session-metrics.ts';

export interface SocketIoDeps {
	readonly config: Config;
	readonly self: SessionOwner;
	readonly app: AppDefinition;
	readonly edges: Edges;
	readonly adapter: FleetAdapter;
	readonly metrics: Metrics;
}

export function createSocketIo({ config, self, app, edges, adapter, metrics }: SocketIoDeps): Server {
	const io = new Server(edges.front, {
		...buildServerOptions(config, app),
		...buildRecoveryOptions(config),
		// Socket.IO calls it with `new`: not for an arrow function.
		adapter: function create(namespace: Namespace) {
			return adapter.adapter(namespace);
		},
	});
	adapter.attach(io);
	const engine = engineOf(io);
	engine.generateId = () => mintSessionId(self);
	// Becomes `socket.handshake.address`.
	engine.on('connection', (session) => {
		session.remoteAddress = edges.clientAddressOf(session.request);
	});
	countSessions(io, metrics);
	return io;
}

/** Options of the application that are options of Socketfleet too lose: one place decides. */
export function buildServerOptions(config: Config, app: AppDefinition): Partial<ServerOptions> {
	// Where the fleet has no recovery, saving the session of a lost connection would end the worker.
	const { connectionStateRecovery: _, ...own } = app.options ?? {};
	return {
		...own,
		path: config.path,
		pingInterval: config.pingIntervalMs,
		pingTimeout: config.pingTimeoutMs,
		connectTimeout: config.connectTimeoutMs,
		maxHttpBufferSize: config.maxHttpBufferSize,
		transports: [...config.transports] as ('polling' | 'websocket')[],
		allowEIO3: config.allowEio3,
		perMessageDeflate: config.perMessageDeflate,
		...(config.corsOrigin.length === 0 ? {} : { cors: { origin: corsOrigin(config.corsOrigin), credentials: true } }),
	};
}

/** `*` with credentials is refused by browsers: the origin is echoed instead. */
function corsOrigin(origins: readonly string[]): true | string[] {
	return origins.includes('*') ? true : [...origins];
}
