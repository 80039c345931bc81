/** Three Socket.IO servers in this process, joined by one kind of adapter. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { type Socket as ClientSocket, io as connect } from 'socket.io-client';
import { buildRecoveryOptions, createFleetAdapter } from '../../../src/adapter/create.ts';
import { createSilentLogger } from '../../../src/base/log.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { Config, OptionKey } from '../../../src/config/schema.ts';
import { createBus } from '../../../src/ipc/bus.ts';
import { createMetrics, type Metrics } from '../../../src/metrics/registry.ts';
import { createRedis } from '../../../src/redis/client.ts';
import { keyPrefixOf } from '../../../src/redis/keys.ts';
import type { Scope } from '../../support/redis-server.ts';
import { waitFor } from '../../support/wait.ts';

export interface Node {
	readonly io: Server;
	readonly url: string;
	/** Absent on a plain server. */
	readonly metrics: Metrics | undefined;
	reasons(): readonly string[];
	close(): Promise<void>;
}

export interface NodeOptions {
	readonly redisUrl?: string;
	readonly options?: Partial<Record<OptionKey, unknown>>;
}

export function makeConfig({ redisUrl = '', options = {} }: NodeOptions): Config {
	return loadConfig({ env: {}, flags: { redisUrl, fleetKey: 'conformance-key-0123', ...options }, cwd: tmpdir() }).config;
}

/** `slots` workers of one pod, with our adapter. */
export async function startPodOfNodes(t: Scope, slots: number, nodeOptions: NodeOptions = {}, pod = 'AAAA'): Promise<Node[]> {
	const config = makeConfig(nodeOptions);
	const log = createSilentLogger();
	const runDir = mkdtempSync(join(tmpdir(), 'sf-'));
	t.after(() => rmSync(runDir, { recursive: true, force: true }));
	const nodes = await Promise.all(
		Array.from({ length: slots }, async (_, slot) => {
			const metrics = createMetrics();
			const bus = createBus({ runDir, slot, slots, log });
			await bus.start();
			const redis = config.redisUrl === '' ? undefined : createRedis(config, log, metrics);
			const fleet = await createFleetAdapter({ config, redis, bus, metrics, log, owner: { pod, slot } });
			const options = {
				adapter: fleet.adapter,
				...buildRecoveryOptions(config),
				pingInterval: config.pingIntervalMs,
				pingTimeout: config.pingTimeoutMs,
			};
			const server = await listen(new Server(options));
			fleet.attach(server.io);
			fleet.setDelivery(config.delivery === 'follow' ? 'follow' : 'routed', 0);
			await fleet.start();
			const close = once(async () => {
				await server.io.close();
				await fleet.close();
				await redis?.close();
				await bus.close();
			});
			return { ...server, metrics, reasons: () => fleet.reasons(), close };
		}),
	);
	for (const node of nodes) {
		t.after(node.close);
	}
	return nodes;
}

/** Each a pod of its own. */
export async function startPods(t: Scope, count: number, nodeOptions: NodeOptions): Promise<Node[]> {
	const pods = await Promise.all(Array.from({ length: count }, (_, i) => startPodOfNodes(t, 1, nodeOptions, `POD${i}`)));
	return pods.flat();
}

/** A server as anyone else would run it: the official adapter, untouched, on the fleet's stream. */
export async function startOfficial(t: Scope, redisUrl: string): Promise<Node> {
	const client = new Redis(redisUrl, { replyMapping: 'legacy' });
	client.on('error', () => undefined);
	// The adapter makes connections of its own and leaves the one that reads to its retries.
	const connections = [client];
	const duplicate = client.duplicate.bind(client);
	client.duplicate = (...args) => {
		const connection = duplicate(...args);
		connections.push(connection);
		return connection;
	};
	const prefix = keyPrefixOf(makeConfig({ redisUrl }));
	const server = await listen(
		new Server({
			adapter: createAdapter(client, { streamName: `${prefix}:stream`, channelPrefix: `${prefix}:channel`, blockTimeInMs: 500 }),
			connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: false },
		}),
	);
	const close = once(async () => {
		await server.io.close();
		// The adapter awaits none of its last commands: QUIT is answered after them, a disconnect would reject them.
		await client.quit().catch(() => undefined);
		for (const connection of connections) {
			connection.disconnect();
		}
	});
	t.after(close);
	return { ...server, metrics: undefined, reasons: () => [], close };
}

/** One server alone, with the adapter that comes with Socket.IO. */
export async function startAlone(t: Scope): Promise<Node> {
	const server = await listen(new Server());
	const close = once(async () => {
		await server.io.close();
	});
	t.after(close);
	return { ...server, metrics: undefined, reasons: () => [], close };
}

async function listen(io: Server): Promise<{ io: Server; url: string }> {
	const http = createServer();
	io.attach(http);
	await new Promise<void>((resolve) => {
		http.listen(0, '127.0.0.1', resolve);
	});
	const address = http.address();
	if (address === null || typeof address === 'string') {
		throw new Error('no port');
	}
	return { io, url: `http://127.0.0.1:${address.port}` };
}

function once(work: () => Promise<void>): () => Promise<void> {
	let done: Promise<void> | undefined;
	return () => {
		done ??= work();
		return done;
	};
}

/** Servers know of each other when each counts all of them. */
export async function waitForMembership(nodes: readonly Node[], count: number, nsp = '/'): Promise<void> {
	for (const node of nodes) {
		await waitFor(`${count} servers`, async () => (await node.io.of(nsp).adapter.serverCount()) === count);
	}
}

export interface TestClient {
	readonly socket: ClientSocket;
	/** Every event, as `[name, ...args]`, without the offset at its end. */
	readonly events: unknown[][];
	received(name: string): unknown[][];
}

export async function connectClient(t: Scope, node: Node, path = '', options: object = {}): Promise<TestClient> {
	const client = openClient(t, node, path, options);
	await waitFor('the client to connect', () => client.socket.connected);
	return client;
}

export function openClient(t: Scope, node: Pick<Node, 'url'>, path = '', options: object = {}): TestClient {
	const socket = connect(`${node.url}${path}`, {
		transports: ['websocket'],
		forceNew: true,
		reconnectionDelay: 50,
		reconnectionDelayMax: 200,
		...options,
	});
	t.after(() => void socket.disconnect());
	const events: unknown[][] = [];
	socket.onAny((...event: unknown[]) => events.push(event.filter((arg, i) => !(i > 0 && i === event.length - 1 && isOffset(arg)))));
	return { socket, events, received: (name) => events.filter(([event]) => event === name) };
}

function isOffset(value: unknown): boolean {
	return typeof value === 'string' && /^\d*-?\d*~?$/.test(value) && /\d-\d|~$/.test(value);
}
