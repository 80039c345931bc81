/** The seam between a worker and its Socket.IO adapter. */
import type { Namespace, Server } from 'socket.io';
import type { Adapter } from 'socket.io-adapter';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Bus } from '../ipc/bus.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { RedisHandle } from '../redis/client.ts';
import type { DeliveryMode } from './delivery.ts';

export interface FleetAdapterDeps {
	readonly config: Config;
	/** Undefined: one pod without Redis. */
	readonly redis: RedisHandle | undefined;
	readonly bus: Bus;
	readonly metrics: Metrics;
	readonly log: Logger;
	readonly owner: { readonly pod: string; readonly slot: number };
}

export interface FleetAdapter extends Closable {
	/** For `new Server({ adapter })`. */
	readonly adapter: (nsp: Namespace) => Adapter;
	/** Hooks that need the server; call it once, before the application sets up its namespaces. */
	attach(io: Server): void;
	/** Resolves when messages flow, or when Redis is found away (degraded). */
	start(): Promise<void>;
	/** How messages are to reach this worker, as the fleet agrees: until then it follows the log. All after `indexedSince` (ms, Redis' clock) are in the index. */
	setDelivery(mode: DeliveryMode, indexedSince: number): void;
	/** Sentences for `/readyz`; empty when all is well. */
	reasons(): readonly string[];
}
