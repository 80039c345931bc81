/** The composition root of a worker: builds everything, says that it is ready, drains when told. */

import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Server } from 'socket.io';
import { createFleetAdapter, type FleetAdapter } from '../adapter/create.ts';
import { AppError, ERROR_TABLE, messageOf } from '../base/errors.ts';
import { Lifecycle } from '../base/lifecycle.ts';
import { createLogger, type Logger, type LogLevel } from '../base/log.ts';
import { type ForkIdentity, siblingSocketPath } from '../config/fork.ts';
import { loadForkIdentity } from '../config/load.ts';
import { redactConfig } from '../config/redact.ts';
import type { Config } from '../config/schema.ts';
import { createBus } from '../ipc/bus.ts';
import { Channel } from '../ipc/channel.ts';
import type { ConnectionMessage, DrainMessage, ShedMessage, ToPrimary, ToWorker, WorkerReplies } from '../ipc/messages.ts';
import { LoadMeter } from '../metrics/load.ts';
import { createMetrics, type Metrics } from '../metrics/registry.ts';
import { watchRuntime } from '../metrics/runtime.ts';
import type { RedisHandle } from '../redis/client.ts';
import { type AppDefinition, loadApp } from './app.ts';
import { adoptConnection } from './connections.ts';
import { drainWorker } from './drain.ts';
import { engineOf } from './engine.ts';
import { createFleet } from './fleet.ts';
import { Forwarder } from './forward.ts';
import { listenByKernel } from './kernel-listener.ts';
import { advertisedHost } from './own-address.ts';
import { Peers } from './peers.ts';
import { createDirectory, type Directory } from './pods/directory.ts';
import { createEdges, type Edges } from './server.ts';
import { shedSessions } from './shed.ts';
import { createSocketIo } from './socket-io.ts';
import { readStatus } from './status.ts';

const REASONS_EVERY_MS = 500;

/** Runs until the primary drains this worker or goes away. */
export async function runWorker(): Promise<void> {
	const identity = loadForkIdentity();
	const { config, pod, slot } = identity;
	const log = await createLogger({ level: config.logLevel, format: config.logFormat, fields: { pod, worker: slot } });
	exitOnTheUnexpected(log);
	const worker = new WorkerProcess(identity, log);
	try {
		await worker.start();
	} catch (error) {
		worker.reportFatal(error);
	}
}

class WorkerProcess {
	readonly #identity: ForkIdentity;
	readonly #config: Config;
	readonly #log: Logger;
	readonly #metrics: Metrics = createMetrics();
	readonly #parts: Lifecycle;
	readonly #channel: Channel<ToPrimary, ToWorker>;
	readonly #draining = new AbortController();
	/** Every TCP and Unix connection that this worker's HTTP servers hold. */
	readonly #connections = new Set<Socket>();
	#io: Server | undefined;
	#edges: Edges | undefined;
	#forwarder: Forwarder | undefined;
	#directory: Directory | undefined;
	#app: AppDefinition | undefined;
	#closePublic: () => void = () => undefined;

	constructor(identity: ForkIdentity, log: Logger) {
		this.#identity = identity;
		this.#config = identity.config;
		this.#log = log;
		this.#parts = new Lifecycle(log);
		this.#channel = new Channel<ToPrimary, ToWorker>(process, {
			connection: (message, handle) => this.#adopt(message, handle),
			drain: (message) => void this.#drain(message),
			shed: (message) => void this.#shed(message),
			request: ({ id, what }) => void this.#reply(id, what),
			'log-level': ({ level }) => {
				log.level = level as LogLevel;
			},
		});
		// The primary decides when a worker ends; a signal to the whole process group must not end the workers first.
		for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
			process.on(signal, () => undefined);
		}
		// The primary is gone without a word, and can no longer clean up. Before node:cluster's own listener, which exits.
		process.prependListener('disconnect', () => {
			rmSync(identity.runDir, { recursive: true, force: true, maxRetries: 3 });
			process.exit(ERROR_TABLE.ERR_UNREACHABLE.exitCode);
		});
	}

	async start(): Promise<void> {
		const { config, slot, pod, slots, runDir } = this.#identity;
		this.#parts.add('runtime metrics', watchRuntime(this.#metrics));
		this.#app = await loadApp(config.app);
		const redis = config.redisUrl === '' ? undefined : await this.#openRedis();
		const bus = this.#parts.add('bus', createBus({ runDir, slot, slots, log: this.#log }));
		const self = { pod, slot };
		const adapter = this.#parts.add(
			'adapter',
			await createFleetAdapter({ config, redis, bus, metrics: this.#metrics, log: this.#log, owner: self }),
		);
		if (redis) {
			this.#directory = this.#parts.add('directory', this.#createDirectory(redis));
			this.#directory.onDelivery((mode, indexedSince) => adapter.setDelivery(mode, indexedSince));
		}
		const peers = this.#parts.add('peers', new Peers({ runDir, slots, fleetKey: config.fleetKey, directory: this.#directory }));
		this.#forwarder = new Forwarder({ peers, metrics: this.#metrics, log: this.#log });
		this.#edges = createEdges({
			config,
			self,
			forwarder: this.#forwarder,
			metrics: this.#metrics,
			log: this.#log,
			http: this.#app.http,
		});
		this.#io = createSocketIo({ config, self, app: this.#app, edges: this.#edges, adapter, metrics: this.#metrics });
		await this.#setUpApp(this.#io, this.#app);
		await bus.start();
		await Promise.all([adapter.start(), this.#claimPod(), this.#listenForSiblings(this.#edges)]);
		const publicPort = config.placement === 'kernel' ? await this.#listenPublic(this.#edges) : undefined;
		const apiPort = await this.#openApi(this.#io, redis);
		this.#reportReasons(adapter);
		this.#channel.send({ kind: 'ready', publicPort, apiPort });
	}

	/** Tells the primary why this worker cannot run, and exits. */
	reportFatal(error: unknown): void {
		const code = error instanceof AppError ? error.code : 'ERR_UNEXPECTED';
		const origin = error instanceof AppError ? error.cause : error;
		if (origin !== undefined) {
			this.#log.error({ err: origin instanceof Error ? origin.stack : messageOf(origin) }, 'the worker could not start');
		}
		this.#channel.send({ kind: 'fatal', code, message: messageOf(error) }, undefined, () => process.exit(ERROR_TABLE[code].exitCode));
	}

	// What not every worker needs is loaded by those that do: ioredis and the API's validators are 10 MB each.

	async #openRedis(): Promise<RedisHandle> {
		const { createRedis } = await import('../redis/client.ts');
		return this.#parts.add('redis', createRedis(this.#config, this.#log, this.#metrics));
	}

	/** The port of the emit API; undefined when it has no tokens. */
	async #openApi(io: Server, redis: RedisHandle | undefined): Promise<number | undefined> {
		if (this.#config.apiTokens.length === 0 && this.#config.apiTokensFile === '') {
			return undefined;
		}
		const { startApi } = await import('./api.ts');
		const api = await startApi({ config: this.#config, redis, io, metrics: this.#metrics, log: this.#log });
		return this.#parts.add('api', api).port;
	}

	#createDirectory(redis: RedisHandle): Directory {
		const { config, pod, incarnation, internalPort, slots } = this.#identity;
		const meter = new LoadMeter(this.#metrics);
		const directory = createDirectory({
			redis,
			config,
			log: this.#log,
			metrics: this.#metrics,
			self: { pod, incarnation, host: advertisedHost(config), internalPort, workers: slots },
			load: () => meter.read(this.#sessions()),
		});
		directory.onTaken(() => this.#channel.send({ kind: 'pod-taken' }));
		return directory;
	}

	/** When the id is taken the primary starts this worker anew under another: nothing to wait for here. */
	async #claimPod(): Promise<void> {
		if ((await this.#directory?.start()) === 'taken') {
			await new Promise(() => undefined);
		}
	}

	async #setUpApp(io: Server, app: AppDefinition): Promise<void> {
		const { pod, slot } = this.#identity;
		try {
			await app.setup(io, {
				log: this.#log.child({ app: true }),
				config: redactConfig(this.#config),
				pod,
				worker: slot,
				signal: this.#draining.signal,
				metrics: this.#metrics.app,
				fleet: createFleet(pod, this.#directory),
			});
		} catch (error) {
			throw new AppError('ERR_APP', `the application's setup failed: ${messageOf(error)}`, { cause: error });
		}
	}

	async #listenForSiblings(edges: Edges): Promise<void> {
		const path = siblingSocketPath(this.#identity.runDir, this.#identity.slot);
		await rm(path, { force: true });
		for (const server of [edges.public, edges.internal]) {
			server.on('connection', (socket: Socket) => {
				this.#connections.add(socket);
				socket.once('close', () => this.#connections.delete(socket));
			});
		}
		await new Promise<void>((resolve, reject) => {
			// Exclusive: else node:cluster lets the primary open it, and a handle that it kept would swallow the connections of a dead worker.
			edges.internal.once('error', reject).listen({ path, exclusive: true }, () => resolve());
		});
	}

	async #listenPublic(edges: Edges): Promise<number> {
		const listener = await listenByKernel(this.#config, this.#metrics, edges.public);
		this.#closePublic = () => void listener.close();
		return listener.port;
	}

	#adopt(message: ConnectionMessage, handle: Socket | undefined): void {
		// A peer that is already gone arrives without a handle.
		if (handle && this.#edges) {
			adoptConnection(message.via === 'public' ? this.#edges.public : this.#edges.internal, handle, message);
		}
	}

	#reportReasons(adapter: FleetAdapter): void {
		let last = '[]';
		const timer = setInterval(() => {
			const reasons = adapter.reasons();
			const text = JSON.stringify(reasons);
			if (text !== last) {
				last = text;
				this.#channel.send({ kind: 'reasons', reasons });
			}
		}, REASONS_EVERY_MS);
		this.#parts.add('reasons', { close: () => clearInterval(timer) });
	}

	async #reply(id: number, what: keyof WorkerReplies): Promise<void> {
		const value = what === 'snapshot' ? await this.#metrics.snapshot() : await this.#status();
		this.#channel.send({ kind: 'reply', id, value });
	}

	#status(): Promise<WorkerReplies['status']> {
		return readStatus(this.#metrics, {
			sessions: this.#sessions(),
			tunnels: this.#forwarder?.tunnels.size ?? 0,
			peers: this.#directory?.pods().map(({ pod, workers, at, load }) => ({ pod, workers, at, load })) ?? [],
		});
	}

	#sessions(): number {
		return this.#io?.engine.clientsCount ?? 0;
	}

	async #shed({ count, spreadMs, reason }: ShedMessage): Promise<void> {
		if (this.#io) {
			const engine = engineOf(this.#io);
			await shedSessions({ engine, metrics: this.#metrics, signal: this.#draining.signal, count, spreadMs, reason });
		}
	}

	async #drain({ spreadMs, timeoutMs }: DrainMessage): Promise<void> {
		if (!this.#io || !this.#edges || !this.#forwarder) {
			process.exit(0);
		}
		this.#draining.abort();
		this.#edges.startDraining();
		this.#closePublic();
		const result = await drainWorker({
			engine: engineOf(this.#io),
			tunnels: this.#forwarder.tunnels,
			servers: [this.#edges.public, this.#edges.internal],
			connections: this.#connections,
			metrics: this.#metrics,
			spreadMs,
			timeoutMs,
		});
		await this.#closeApp();
		const snapshot = await this.#metrics.snapshot();
		await this.#parts.close();
		this.#channel.send({ kind: 'farewell', snapshot, ...result }, undefined, () => process.exit(0));
	}

	async #closeApp(): Promise<void> {
		try {
			await this.#app?.close?.();
		} catch (error) {
			this.#log.error({ err: messageOf(error) }, "the application's close failed");
		}
	}
}

/** The state after an unexpected exception is unknown: say it and let the supervisor start a new worker. */
function exitOnTheUnexpected(log: Logger): void {
	const onError = (error: unknown): void => {
		log.fatal({ err: error instanceof Error ? error.stack : String(error) }, 'unexpected error: this worker ends');
		process.exit(ERROR_TABLE.ERR_UNEXPECTED.exitCode);
	};
	process.on('uncaughtException', onError);
	process.on('unhandledRejection', onError);
}
