/** Config -> Socket.IO's server options. Pure. */
import type { ServerOptions } from 'socket.io';
import type { Config } from '../config/schema.ts';
import type { AppDefinition } from './app.ts';

/** Options of the application that are options of Socketfleet too lose: one place decides. */
export function buildServerOptions(config: Config, app: AppDefinition): Partial<ServerOptions> {
	return {
		...app.options,
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
