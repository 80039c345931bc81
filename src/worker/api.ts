/** The emit API of this worker: its port, and what it needs of Redis and of Socket.IO. */
import { createServer, type Server as HttpServer } from 'node:http';
import type { Server } from 'socket.io';
import type { Adapter } from 'socket.io-adapter';
import { missingOf } from '../adapter/servers/partial-answer.ts';
import { AppError, messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { listen } from '../edge/listen.ts';
import { DEFAULT_IDEMPOTENCY_WINDOW_MS } from '../emit/emitter.ts';
import { createApiListener } from '../emit/http.ts';
import type { ListedSocket, SocketLister } from '../emit/queries.ts';
import { createTokenStore } from '../emit/token-store.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { RedisHandle } from '../redis/client.ts';
import { redisKeysOf } from '../redis/keys.ts';
import { createEntryWriter, type EntryWriter } from '../stream/appender.ts';
import { createLocalSink } from './local-sink.ts';

export interface ApiDeps {
	readonly config: Config;
	/** Undefined: one pod without Redis; messages go to its own workers, and nothing is kept. */
	readonly redis: RedisHandle | undefined;
	readonly io: Server;
	readonly metrics: Metrics;
	readonly log: Logger;
}

export interface Api extends Closable {
	readonly port: number;
}

/** What adapters give for a socket: the socket itself when it is here, a description when it is elsewhere. */
interface FoundSocket {
	readonly id: string;
	readonly rooms: Iterable<string>;
	readonly handshake: { readonly issued: number };
	readonly data: unknown;
}

/** A request is answered within this, whatever Redis does. */
const WRITE_TIMEOUT_MS = 2000;
const LIST_TIMEOUT_MS = 2000;
const HEADERS_TIMEOUT_MS = 10_000;
const BODY_TIMEOUT_MS = 30_000;
const CHECK_TIMEOUTS_EVERY_MS = 2000;

/** Listens on the shared `apiPort` (node:cluster hands out its connections). Rejects with ERR_PORT, or ERR_CONFIG for a bad file of tokens. */
export async function startApi({ config, redis, io, metrics, log }: ApiDeps): Promise<Api> {
	const tokens = createTokenStore(config, log);
	const writer = redis && createFleetWriter(config, redis);
	const listener = createApiListener({
		sink: writer ?? createLocalSink(io),
		sockets: createSocketLister(io),
		tokens: () => tokens.current(),
		maxBodyBytes: config.apiMaxBodyBytes,
		metrics,
		log,
	});
	const server = createServer(
		{ headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: BODY_TIMEOUT_MS, connectionsCheckingInterval: CHECK_TIMEOUTS_EVERY_MS },
		listener,
	);
	try {
		const port = await listen(server, { host: config.host, port: config.apiPort, option: 'apiPort' });
		return { port, close: () => closeAll(server, tokens, writer) };
	} catch (error) {
		await closeAll(server, tokens, writer);
		throw error;
	}
}

function createFleetWriter(config: Config, redis: RedisHandle): EntryWriter {
	const keys = redisKeysOf(config);
	return createEntryWriter({
		redis: redis.commands,
		stream: keys.stream,
		routing: keys,
		maxEntries: config.streamMaxEntries,
		timeoutMs: WRITE_TIMEOUT_MS,
		onceWindowMs: DEFAULT_IDEMPOTENCY_WINDOW_MS,
	});
}

/** Requests that are in the middle get their answer; idle connections end at once. */
async function closeAll(server: HttpServer, tokens: Closable, writer: EntryWriter | undefined): Promise<void> {
	const closed = new Promise<void>((resolve) => server.close(() => resolve()));
	server.closeIdleConnections();
	const cut = setTimeout(() => server.closeAllConnections(), WRITE_TIMEOUT_MS);
	await closed;
	clearTimeout(cut);
	await tokens.close();
	await writer?.close();
}

function createSocketLister(io: Server): SocketLister {
	return {
		async list(namespace, rooms) {
			// Not `io.of()`: it would create the namespace, in place of one that a dynamic namespace would have made with its middlewares.
			const nsp = io._nsps.get(namespace);
			if (nsp === undefined) {
				return undefined;
			}
			const found = await fetchSockets(nsp.adapter, rooms);
			return { sockets: found.map(describeSocket), missing: missingOf(found) };
		},
	};
}

/** Asks the adapter itself: what `nsp.fetchSockets()` gives no longer says who did not answer. */
async function fetchSockets(adapter: Adapter, rooms: readonly string[]): Promise<readonly FoundSocket[]> {
	const opts = { rooms: new Set(rooms), except: new Set<string>(), flags: { timeout: LIST_TIMEOUT_MS } };
	try {
		return (await adapter.fetchSockets(opts)) as FoundSocket[];
	} catch (error) {
		throw new AppError('ERR_DEADLINE', `not every worker answered: ${messageOf(error)}`, { cause: error });
	}
}

function describeSocket({ id, rooms, handshake, data }: FoundSocket): ListedSocket {
	return { id, rooms: [...rooms], connectedAt: handshake.issued, data };
}
