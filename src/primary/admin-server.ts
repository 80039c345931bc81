/** The admin port: the status page, `/livez`, `/readyz`, `/metrics`, `/status`, and what an operator asks for: `/drain`, `/rebalance`. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { AppError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { listen } from '../edge/listen.ts';
import { EXPOSITION_CONTENT_TYPE } from '../metrics/expose.ts';
import type { CordonOptions } from './shedder.ts';
import { statusPageRoutes } from './status-page/routes.ts';
import { StatusStream } from './status-page/stream.ts';

export interface Readiness {
	readonly ready: boolean;
	/** Sentences: why it is not ready, or what is degraded although it is. */
	readonly reasons: readonly string[];
}

export interface AdminSources {
	readiness(): Readiness;
	metrics(): Promise<string>;
	status(): Promise<object>;
	/** Throws ERR_VALIDATION for a level that does not exist. */
	setLogLevel(level: string): void;
	/** Out of service: readiness fails, and all connections are closed at a pace. */
	cordon(options: CordonOptions): void;
	uncordon(): void;
	/** Closes so many connections; resolves to the number. */
	shed(count: number, spreadMs: number): Promise<number>;
}

type Handler = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>;

/**
 * Who may: `open` everyone; `admin` who has the admin token, if one is configured; `operator` who has the admin token or the fleet's key,
 * never everyone, since it closes connections.
 */
type Guard = 'open' | 'admin' | 'operator';

const MAX_DELAY_MS = 3_600_000;
const MAX_CONNECTIONS = 10_000_000;
const MAX_PER_SECOND = 1_000_000;

export class AdminServer {
	readonly #config: Config;
	readonly #log: Logger;
	readonly #server: Server;
	readonly #stream: StatusStream;
	/** By path, then by method. */
	readonly #routes: Readonly<Record<string, Readonly<Record<string, { readonly guard: Guard; readonly handle: Handler }>>>>;

	constructor(config: Config, sources: AdminSources, log: Logger) {
		this.#config = config;
		this.#log = log;
		this.#stream = new StatusStream(() => sources.status(), log);
		this.#routes = {
			...statusPageRoutes(this.#stream),
			'/livez': { GET: { guard: 'open', handle: (_req, res) => answer(res, 200, { live: true }) } },
			'/readyz': {
				GET: {
					guard: 'open',
					handle: (_req, res) => {
						const readiness = sources.readiness();
						answer(res, readiness.ready ? 200 : 503, readiness);
					},
				},
			},
			'/metrics': {
				GET: {
					guard: 'admin',
					handle: async (_req, res) => {
						const text = await sources.metrics();
						res.writeHead(200, { 'Content-Type': EXPOSITION_CONTENT_TYPE }).end(text);
					},
				},
			},
			'/status': { GET: { guard: 'admin', handle: async (_req, res) => answer(res, 200, await sources.status()) } },
			'/log-level': {
				PUT: {
					guard: 'admin',
					handle: (req, res) => {
						const level = queryOf(req).get('level') ?? '';
						sources.setLogLevel(level);
						answer(res, 200, { level });
					},
				},
			},
			...operatorRoutes(sources),
		};
		this.#server = createServer((req, res) => void this.#serve(req, res));
	}

	/** Resolves to the port; rejects with ERR_PORT. */
	listen(): Promise<number> {
		return listen(this.#server, { host: this.#config.host, port: this.#config.adminPort, option: 'adminPort' });
	}

	close(): void {
		this.#stream.close();
		this.#server.close();
		this.#server.closeAllConnections();
	}

	async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
		const path = (req.url ?? '/').split('?')[0] ?? '/';
		const methods = Object.hasOwn(this.#routes, path) ? this.#routes[path] : undefined;
		if (!methods) {
			answer(res, 404, { message: `no such path; there are ${Object.keys(this.#routes).join(', ')}` });
			return;
		}
		const method = req.method === 'HEAD' ? 'GET' : (req.method ?? 'GET');
		const route = Object.hasOwn(methods, method) ? methods[method] : undefined;
		if (!route) {
			const allowed = Object.keys(methods).join(', ');
			res.setHeader('Allow', allowed);
			answer(res, 405, { message: `${path} takes ${allowed}` });
			return;
		}
		if (!this.#mayPass(route.guard, req.headers.authorization)) {
			res.setHeader('WWW-Authenticate', 'Bearer');
			const token = route.guard === 'operator' ? 'adminToken or fleetKey' : 'adminToken';
			answer(res, 401, { message: `needs a token: Authorization: Bearer <${token}>` });
			return;
		}
		await this.#run(route.handle, req, res);
	}

	#mayPass(guard: Guard, header: string | undefined): boolean {
		const { adminToken, fleetKey } = this.#config;
		switch (guard) {
			case 'open':
				return true;
			case 'admin':
				return adminToken === '' || carries(header, adminToken);
			case 'operator':
				return [adminToken, fleetKey].some((token) => token !== '' && carries(header, token));
		}
	}

	async #run(handle: Handler, req: IncomingMessage, res: ServerResponse): Promise<void> {
		try {
			await handle(req, res);
		} catch (error) {
			this.#log.warn({ path: req.url, err: messageOf(error) }, 'admin request failed');
			const status = error instanceof Error && 'status' in error && typeof error.status === 'number' ? error.status : 500;
			answer(res, status, { message: messageOf(error) });
		}
	}
}

function answer(res: ServerResponse, status: number, body: object): void {
	res.writeHead(status, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

function operatorRoutes(sources: AdminSources): Record<string, Record<string, { guard: Guard; handle: Handler }>> {
	return {
		'/drain': {
			POST: {
				guard: 'operator',
				handle: (req, res) => {
					const query = queryOf(req);
					sources.cordon({
						delayMs: wholeOf(query, 'delayMs', MAX_DELAY_MS),
						spreadMs: wholeOf(query, 'spreadMs', MAX_DELAY_MS),
						maxPerSecond: query.has('maxPerSecond') ? wholeOf(query, 'maxPerSecond', MAX_PER_SECOND) : 0,
					});
					answer(res, 202, { cordoned: true });
				},
			},
			DELETE: {
				guard: 'operator',
				handle: (_req, res) => {
					sources.uncordon();
					answer(res, 200, { cordoned: false });
				},
			},
		},
		'/rebalance': {
			POST: {
				guard: 'operator',
				handle: async (req, res) => {
					const query = queryOf(req);
					const count = wholeOf(query, 'connections', MAX_CONNECTIONS);
					answer(res, 202, { closing: await sources.shed(count, wholeOf(query, 'spreadMs', MAX_DELAY_MS)) });
				},
			},
		},
	};
}

function queryOf(req: IncomingMessage): URLSearchParams {
	return new URL(req.url ?? '/', 'http://admin').searchParams;
}

/** A whole number of the query; throws ERR_VALIDATION. */
function wholeOf(query: URLSearchParams, name: string, max: number): number {
	const text = query.get(name) ?? '';
	if (!/^\d{1,9}$/.test(text) || Number(text) > max) {
		throw new AppError('ERR_VALIDATION', `${name} must be a whole number from 0 to ${max}, as in ?${name}=0`);
	}
	return Number(text);
}

/** In constant time: hashes first, since timingSafeEqual wants equal lengths. */
function carries(header: string | undefined, token: string): boolean {
	return timingSafeEqual(sha256(header ?? ''), sha256(`Bearer ${token}`));
}

function sha256(text: string): Buffer {
	return createHash('sha256').update(text).digest();
}
