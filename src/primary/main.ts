/** The composition root of a pod's primary: opens the ports, starts the workers, answers for them, drains. It does no work per message. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '../base/deadline.ts';
import { AppError, ERROR_TABLE, type ErrorCode, messageOf } from '../base/errors.ts';
import { createLogger, LOG_LEVELS, type Logger, type LogLevel } from '../base/log.ts';
import { redactConfig } from '../config/redact.ts';
import type { Config } from '../config/schema.ts';
import { VERSION } from '../config/version.ts';
import { createMetrics } from '../metrics/registry.ts';
import { watchRuntime } from '../metrics/runtime.ts';
import { mintPodId } from '../net/session-id.ts';
import { Acceptor } from './accept.ts';
import { AdminServer, type Readiness } from './admin-server.ts';
import { newestOfPeers } from './fleet-view.ts';
import { InternalListener } from './internal-listener.ts';
import { type CgroupLimits, chooseHeapMb, chooseWorkers, heapFlags, readCgroupLimits, readOpenFilesLimit } from './resources.ts';
import { Scraper } from './scrape.ts';
import { Shedder } from './shedder.ts';
import { Supervisor } from './supervisor.ts';
import { Watchdog } from './watchdog.ts';

const STATUS_DEADLINE_MS = 1000;
/** What the drain keeps of its deadline for closing the rest. */
const MIN_DRAIN_MS = 100;

/** Runs the pod. Resolves when it is up; the process then lives until a signal. */
export async function runPrimary(config: Config): Promise<void> {
	const log = await createLogger({ level: config.logLevel, format: config.logFormat });
	const pod = new Pod(config, log);
	process.on('SIGHUP', () => pod.restartWorkers());
	process.on('SIGTERM', () => pod.stop('SIGTERM'));
	process.on('SIGINT', () => pod.stop('SIGINT'));
	process.on('uncaughtException', (error) => {
		log.fatal({ err: error.stack }, 'unexpected error: the pod ends');
		pod.abort(ERROR_TABLE.ERR_UNEXPECTED.exitCode);
	});
	try {
		await pod.start();
	} catch (error) {
		pod.fail(error instanceof AppError ? error.code : 'ERR_UNEXPECTED', messageOf(error));
	}
}

class Pod {
	readonly #config: Config;
	readonly #log: Logger;
	readonly #metrics = createMetrics();
	readonly #limits: CgroupLimits = readCgroupLimits();
	readonly #workers: number;
	readonly #heapMb: number | undefined;
	readonly #runDir = mkdtempSync(join(tmpdir(), 'socketfleet-'));
	readonly #incarnation = randomUUID();
	readonly #scraper = new Scraper(this.#metrics);
	readonly #admin: AdminServer;
	#supervisor: Supervisor | undefined;
	#shedder: Shedder | undefined;
	#acceptor: Acceptor | undefined;
	#internal: InternalListener | undefined;
	#ports: { public?: number; admin?: number; internal?: number; api?: number } = {};
	#watchdog: Watchdog | undefined;
	#announced = false;
	#stopping = false;
	#restarting = false;

	constructor(config: Config, log: Logger) {
		this.#config = config;
		this.#log = log;
		this.#workers = chooseWorkers(config.workers, this.#limits);
		this.#heapMb = chooseHeapMb(config.workerHeapMb, this.#limits, this.#workers);
		this.#admin = new AdminServer(
			config,
			{
				readiness: () => this.#readiness(),
				metrics: () => (this.#supervisor ? this.#scraper.scrape(this.#supervisor) : Promise.resolve('')),
				status: () => this.#status(),
				setLogLevel: (level) => this.#setLogLevel(level),
				cordon: (options) => this.#shedder?.cordon(options),
				uncordon: () => this.#shedder?.uncordon(),
				shed: async (count, spreadMs) => (await this.#shedder?.shed(count, spreadMs)) ?? 0,
			},
			log,
		);
		watchRuntime(this.#metrics);
		process.on('exit', () => rmSync(this.#runDir, { recursive: true, force: true }));
	}

	async start(): Promise<void> {
		const { placement, redisUrl } = this.#config;
		this.#sayWhatRuns();
		const supervisor = this.#createSupervisor();
		this.#supervisor = supervisor;
		this.#shedder = new Shedder(supervisor, this.#log);
		this.#ports.admin = await this.#admin.listen();
		if (redisUrl !== '') {
			this.#internal = new InternalListener({ config: this.#config, supervisor, metrics: this.#metrics });
			this.#ports.internal = await this.#internal.listen();
		}
		if (placement === 'ip-hash') {
			this.#acceptor = new Acceptor({ config: this.#config, supervisor, metrics: this.#metrics, log: this.#log });
			this.#ports.public = await this.#acceptor.listen();
		}
		supervisor.start({
			incarnation: this.#incarnation,
			internalPort: this.#ports.internal ?? 0,
			runDir: this.#runDir,
			config: this.#config,
		});
		this.#watchdog = new Watchdog(supervisor, this.#config.workerSilenceMs, this.#log);
	}

	/** SIGHUP: new workers one by one. */
	restartWorkers(): void {
		if (this.#stopping || !this.#supervisor) {
			return;
		}
		if (this.#restarting) {
			this.#log.warn('SIGHUP: the workers are being replaced already');
			return;
		}
		this.#restarting = true;
		this.#log.info('SIGHUP: replacing the workers one at a time');
		const { drainSpreadMs, drainTimeoutMs } = this.#config;
		this.#supervisor
			.restartAll(drainSpreadMs, drainTimeoutMs)
			.then(
				() => this.#log.info('workers replaced'),
				(error: unknown) => this.#log.error({ err: messageOf(error) }, 'replacing the workers failed'),
			)
			.finally(() => {
				this.#restarting = false;
			});
	}

	/** The first signal drains; a second one ends at once. */
	stop(signal: string): void {
		if (this.#stopping) {
			this.#log.warn({ signal }, 'second signal: ending at once');
			this.abort(ERROR_TABLE.ERR_DRAIN_TIMEOUT.exitCode);
			return;
		}
		this.#stopping = true;
		this.#watchdog?.close(); // the drain has a deadline of its own
		this.#shedder?.uncordon(); // the drain closes the rest at its own pace
		this.#log.info({ signal, delayMs: this.#config.drainDelayMs, timeoutMs: this.#config.drainTimeoutMs }, 'draining');
		this.#drain().then(
			() => process.exit(0),
			(error: unknown) => this.fail('ERR_UNEXPECTED', messageOf(error)),
		);
	}

	/** Ends the pod with the exit code of `code`. */
	fail(code: ErrorCode, message: string): void {
		this.#log.fatal({ code }, message);
		this.abort(ERROR_TABLE[code].exitCode);
	}

	abort(exitCode: number): void {
		this.#supervisor?.killAll();
		process.exit(exitCode);
	}

	async #drain(): Promise<void> {
		const { drainDelayMs, drainSpreadMs, drainTimeoutMs } = this.#config;
		const deadline = Date.now() + drainTimeoutMs;
		this.#metrics.set('socketfleet_drain_state', {}, 1);
		await sleep(drainDelayMs);
		this.#acceptor?.close();
		// The internal port stays open: sessions that are still here are reached through it.
		await this.#supervisor?.stopAll(drainSpreadMs, Math.max(MIN_DRAIN_MS, deadline - Date.now()));
		this.#internal?.close();
		this.#admin.close();
		this.#log.info('drained');
	}

	#createSupervisor(): Supervisor {
		return new Supervisor({
			pod: mintPodId(),
			slots: this.#workers,
			nodeFlags: heapFlags(this.#heapMb, process.env.NODE_OPTIONS),
			startTimeoutMs: this.#config.workerStartTimeoutMs,
			log: this.#log,
			metrics: this.#metrics,
			onReady: (ports) => this.#onReady(ports),
			onFatal: (code, message) => this.fail(code in ERROR_TABLE ? (code as ErrorCode) : 'ERR_UNEXPECTED', message),
			onPodTaken: () => this.#rename(),
			onLifeEnded: (lifeId, snapshot) => this.#scraper.end(lifeId, snapshot),
		});
	}

	#onReady({ publicPort, apiPort }: { publicPort: number | undefined; apiPort: number | undefined }): void {
		this.#ports = {
			...this.#ports,
			...(publicPort === undefined ? {} : { public: publicPort }),
			...(apiPort === undefined ? {} : { api: apiPort }),
		};
		this.#acceptor?.placeWaiting();
		if (!this.#announced) {
			this.#announced = true;
			this.#metrics.set('socketfleet_info', { version: VERSION, pod_id: this.#supervisor?.pod ?? '' }, 1);
			this.#log.info({ pod: this.#supervisor?.pod, ports: this.#ports }, `listening on ${this.#publicUrl()}`);
		}
		if (this.#supervisor?.readySlots().length === this.#workers) {
			this.#log.info({ workers: this.#workers }, 'all workers are ready');
		}
	}

	#rename(): void {
		const pod = mintPodId();
		this.#log.warn({ pod }, 'another pod of the fleet has our id: starting again under a new one');
		this.#supervisor?.rename(pod);
	}

	#publicUrl(): string {
		const { host } = this.#config;
		const shown = host === '' || host === '0.0.0.0' || host === '::' ? 'localhost' : host;
		return `http://${shown.includes(':') ? `[${shown}]` : shown}:${this.#ports.public}`;
	}

	#sayWhatRuns(): void {
		const { app, redisUrl, recovery, recoveryWindowMs, placement, addressSource } = this.#config;
		this.#log.info(
			{
				version: VERSION,
				node: process.version,
				workers: this.#workers,
				heapMb: this.#heapMb ?? 'default of Node',
				cpuQuota: this.#limits.cpus ?? 'none',
				placement,
				addressSource,
				app: app === '' ? 'the demo' : app,
			},
			'starting',
		);
		if (redisUrl === '') {
			this.#log.info('no Redis: one pod only, and clients that come back are not recovered');
		} else if (!recovery) {
			this.#log.info('connection state recovery is off');
		} else {
			this.#metrics.set('socketfleet_recovery_window_seconds', {}, recoveryWindowMs / 1000);
		}
	}

	#readiness(): Readiness {
		const rows = this.#supervisor?.overview() ?? [];
		const cordoned = this.#shedder?.cordoned ?? false;
		const ready = !this.#stopping && !cordoned && rows.some(({ state }) => state === 'ready');
		const reasons = rows.flatMap(({ slot, state, failures, reasons: own }) => [
			...(state === 'failed' ? [`worker ${slot} failed ${failures} times in a row: see the log`] : []),
			...own,
		]);
		if (this.#stopping) {
			reasons.unshift('draining');
		} else if (cordoned) {
			reasons.unshift('out of service on request of an operator; DELETE /drain takes it back');
		} else if (!ready) {
			reasons.unshift('no worker is ready');
		}
		return { ready, reasons: [...new Set(reasons)] };
	}

	async #status(): Promise<object> {
		const supervisor = this.#supervisor;
		const answers = (await supervisor?.askAll('status', STATUS_DEADLINE_MS)) ?? [];
		const workers = (supervisor?.overview() ?? []).map((row) => {
			const value = answers.find(({ slot }) => slot === row.slot)?.value;
			return { ...row, ...(value ? { ...value, peers: undefined } : {}) };
		});
		const peers = newestOfPeers(answers.flatMap(({ value }) => value?.peers ?? [])).filter(({ pod }) => pod !== supervisor?.pod);
		return {
			version: VERSION,
			node: process.version,
			pod: supervisor?.pod,
			fleet: this.#config.fleet,
			pods: [supervisor?.pod, ...peers.map(({ pod }) => pod)],
			peers,
			draining: this.#stopping,
			cordoned: this.#shedder?.cordoned ?? false,
			...this.#readiness(),
			ports: this.#ports,
			connections: answers.reduce((sum, { value }) => sum + (value?.sessions ?? 0), 0),
			tunnels: answers.reduce((sum, { value }) => sum + (value?.tunnels ?? 0), 0),
			limits: {
				cpuQuota: this.#limits.cpus ?? null,
				memoryBytes: this.#limits.memoryBytes ?? null,
				workerHeapMb: this.#heapMb ?? null,
				openFiles: readOpenFilesLimit() ?? null,
			},
			workers,
			config: redactConfig(this.#config),
		};
	}

	#setLogLevel(level: string): void {
		if (!(LOG_LEVELS as readonly string[]).includes(level)) {
			throw new AppError('ERR_VALIDATION', `level must be one of ${LOG_LEVELS.join(', ')}`);
		}
		this.#log.level = level as LogLevel;
		this.#supervisor?.broadcast({ kind: 'log-level', level });
	}
}
