/** Empties a worker: recoverable closes at a paced, jittered rate, then the TCP sockets of what still hangs. */
import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Clock, SYSTEM_CLOCK } from '../base/deadline.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { Engine } from './engine.ts';

export interface DrainOptions {
	readonly engine: Pick<Engine, 'clients'>;
	/** Client sides of upgrades that pass through to an owner elsewhere. */
	readonly tunnels: ReadonlySet<Duplex>;
	/** Servers whose connections are ours. */
	readonly servers: readonly HttpServer[];
	readonly connections: ReadonlySet<Socket>;
	readonly metrics: Metrics;
	readonly spreadMs: number;
	readonly timeoutMs: number;
	readonly random?: () => number;
	/** Given by tests. */
	readonly clock?: Clock;
}

export interface DrainResult {
	/** Sessions and tunnels that were closed in order. */
	readonly closed: number;
	/** TCP sockets that had to be destroyed at the end. */
	readonly terminated: number;
}

const CHECK_MS = 25;
/** A connection that was handed over just now counts as idle until its request has arrived: closing it would reset a client. */
const IDLE_GRACE_MS = 500;
/** `socketfleet_drain_state`. */
const CLOSING = 2;
const TERMINATING = 3;

/** Resolves when nothing is left, at the latest after `timeoutMs`. */
export async function drainWorker(options: DrainOptions): Promise<DrainResult> {
	const { metrics, timeoutMs, servers, clock = SYSTEM_CLOCK } = options;
	const startedAt = clock.now();
	const deadline = startedAt + timeoutMs;
	metrics.set('socketfleet_drain_state', {}, CLOSING);
	const closed = await closePaced(options, deadline);
	metrics.inc('socketfleet_drained_connections_total', { how: 'closed' }, closed);
	while (leftovers(options) > 0 && clock.now() < deadline) {
		if (clock.now() - startedAt >= IDLE_GRACE_MS) {
			for (const server of servers) {
				server.closeIdleConnections();
			}
		}
		closeNow(options);
		await clock.sleep(CHECK_MS);
	}
	metrics.set('socketfleet_drain_state', {}, TERMINATING);
	const terminated = terminate(options);
	metrics.inc('socketfleet_drained_connections_total', { how: 'terminated' }, terminated);
	return { closed, terminated };
}

/** Evenly over `spreadMs`, each within its share of it at random: clients that left together would come back together. */
async function closePaced(options: DrainOptions, deadline: number): Promise<number> {
	const { spreadMs, random = Math.random, clock = SYSTEM_CLOCK } = options;
	const closers = currentClosers(options);
	const startedAt = clock.now();
	for (const [index, close] of closers.entries()) {
		const dueAt = startedAt + ((index + random()) / closers.length) * spreadMs;
		const waitMs = Math.min(dueAt, deadline) - clock.now();
		if (waitMs > 1) {
			await clock.sleep(waitMs);
		}
		close();
	}
	return closers.length;
}

/** `conn.close()` of the engine: the stock client comes back by itself, unlike after a disconnect of the namespace. */
function currentClosers({ engine, tunnels }: DrainOptions): (() => void)[] {
	const sessions = Object.values(engine.clients);
	return [...sessions.map((session) => () => session.close()), ...[...tunnels].map((tunnel) => () => tunnel.destroy())];
}

/** Sessions that were opened or tunnelled while we were closing. */
function closeNow(options: DrainOptions): void {
	for (const close of currentClosers(options)) {
		close();
	}
}

function leftovers({ engine, tunnels, connections }: DrainOptions): number {
	return Object.keys(engine.clients).length + tunnels.size + connections.size;
}

function terminate({ connections }: DrainOptions): number {
	const count = connections.size;
	for (const socket of connections) {
		socket.destroy();
	}
	return count;
}
