/** The admin port: `/livez`, `/readyz`, `/metrics`, `/status`. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { listen } from '../edge/listen.ts';
import { EXPOSITION_CONTENT_TYPE } from '../metrics/expose.ts';

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
}

type Handler = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>;

export class AdminServer {
	readonly #config: Config;
	readonly #log: Logger;
	readonly #server: Server;
	readonly #routes: Record<string, { readonly method: string; readonly guarded: boolean; readonly handle: Handler }>;

	constructor(config: Config, sources: AdminSources, log: Logger) {
		this.#config = config;
		this.#log = log;
		this.#routes = {
			'/livez': { method: 'GET', guarded: false, handle: (_req, res) => answer(res, 200, { live: true }) },
			'/readyz': {
				method: 'GET',
				guarded: false,
				handle: (_req, res) => {
					const readiness = sources.readiness();
					answer(res, readiness.ready ? 200 : 503, readiness);
				},
			},
			'/metrics': {
				method: 'GET',
				guarded: true,
				handle: async (_req, res) => {
					const text = await sources.metrics();
					res.writeHead(200, { 'Content-Type': EXPOSITION_CONTENT_TYPE }).end(text);
				},
			},
			'/status': { method: 'GET', guarded: true, handle: async (_req, res) => answer(res, 200, await sources.status()) },
			'/log-level': {
				method: 'PUT',
				guarded: true,
				handle: (req, res) => {
					const level = new URL(req.url ?? '/', 'http://admin').searchParams.get('level') ?? '';
					sources.setLogLevel(level);
					answer(res, 200, { level });
				},
			},
		};
		this.#server = createServer((req, res) => void this.#serve(req, res));
	}

	/** Resolves to the port; rejects with ERR_PORT. */
	listen(): Promise<number> {
		return listen(this.#server, { host: this.#config.host, port: this.#config.adminPort, option: 'adminPort' });
	}

	close(): void {
		this.#server.close();
		this.#server.closeAllConnections();
	}

	async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
		const path = (req.url ?? '/').split('?')[0] ?? '/';
		const route = Object.hasOwn(this.#routes, path) ? this.#routes[path] : undefined;
		if (!route) {
			answer(res, 404, { message: `no such path; there are ${Object.keys(this.#routes).join(', ')}` });
			return;
		}
		if (req.method !== route.method && !(req.method === 'HEAD' && route.method === 'GET')) {
			res.setHeader('Allow', route.method);
			answer(res, 405, { message: `${path} takes ${route.method}` });
			return;
		}
		if (route.guarded && !isAllowed(req.headers.authorization, this.#config.adminToken)) {
			res.setHeader('WWW-Authenticate', 'Bearer');
			answer(res, 401, { message: 'needs the admin token: Authorization: Bearer <adminToken>' });
			return;
		}
		await this.#run(route.handle, req, res);
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

/** In constant time: hashes first, since timingSafeEqual wants equal lengths. */
function isAllowed(header: string | undefined, token: string): boolean {
	return token === '' || timingSafeEqual(sha256(header ?? ''), sha256(`Bearer ${token}`));
}

function sha256(text: string): Buffer {
	return createHash('sha256').update(text).digest();
}
