/** A tiny API server over HTTP: lists, watches and Leases, and misbehaviour on demand. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { KubeObject } from '../../src/kube/object.ts';
import type { Scope } from './redis-server.ts';

/** Answers a request in place of the server; true when it has. */
export type Fault = (req: IncomingMessage, res: ServerResponse) => boolean;

export class ApiServer {
	readonly url: string;
	/** For what is no request, as the upgrade of a port-forward. */
	readonly server: Server;
	/** `GET /path`, watches as `WATCH /path?resourceVersion`. */
	readonly requests: string[] = [];
	/** Asked for each request, the first that takes it is used up. */
	readonly faults: Fault[] = [];
	readonly #objects = new Map<string, KubeObject>();
	readonly #watches = new Map<ServerResponse, string>();
	/** What was told of each collection, for a watch that begins later. */
	readonly #history: { readonly path: string; readonly version: number; readonly line: string }[] = [];
	#version = 1;

	private constructor(server: Server) {
		this.server = server;
		this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		server.on('request', (req, res) => void this.#serve(req, res));
	}

	static async start(t: Scope): Promise<ApiServer> {
		const server = createServer().listen(0, '127.0.0.1');
		await once(server, 'listening');
		t.after(() => {
			server.closeAllConnections();
			server.close();
		});
		return new ApiServer(server);
	}

	/** `path` of the collection. */
	put(path: string, name: string, fields: object = {}): void {
		const id = `${path}/${name}`;
		const type = this.#objects.has(id) ? 'MODIFIED' : 'ADDED';
		const object = {
			apiVersion: 'v1',
			kind: 'X',
			metadata: { name, namespace: 'demo', resourceVersion: String(++this.#version) },
			...fields,
		};
		this.#objects.set(id, object);
		this.#tell(path, type, object);
	}

	/** With `silently` no watch is told, as when an event gets lost. */
	delete(path: string, name: string, silently = false): void {
		const object = this.#objects.get(`${path}/${name}`);
		this.#objects.delete(`${path}/${name}`);
		if (object && !silently) {
			this.#tell(path, 'DELETED', { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } });
		}
	}

	get(path: string, name: string): KubeObject | undefined {
		return this.#objects.get(`${path}/${name}`);
	}

	get openWatches(): number {
		return this.#watches.size;
	}

	/** Says something of its own on every watch. */
	say(event: object): void {
		for (const res of this.#watches.keys()) {
			res.write(`${JSON.stringify(event)}\n`);
		}
	}

	/** Ends every watch: in order, or by cutting the connection. */
	endWatches(how: 'end' | 'cut'): void {
		for (const res of this.#watches.keys()) {
			if (how === 'end') {
				res.end();
			} else {
				res.destroy();
			}
		}
		this.#watches.clear();
	}

	async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
		const url = new URL(req.url ?? '/', this.url);
		const watch = url.searchParams.get('watch') === 'true';
		this.requests.push(watch ? `WATCH ${url.pathname}?${url.searchParams.get('resourceVersion')}` : `${req.method} ${url.pathname}`);
		const index = this.faults.findIndex((fault) => fault(req, res));
		if (index >= 0) {
			this.faults.splice(index, 1);
			return;
		}
		if (watch) {
			this.#watch(res, url.pathname, Number(url.searchParams.get('resourceVersion')));
			return;
		}
		await this.#answer(req, res, url.pathname);
	}

	#watch(res: ServerResponse, path: string, from: number): void {
		this.#watches.set(res, path);
		res.once('close', () => this.#watches.delete(res));
		res.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
		for (const { line } of this.#history.filter((event) => event.path === path && event.version > from)) {
			res.write(line);
		}
	}

	async #answer(req: IncomingMessage, res: ServerResponse, path: string): Promise<void> {
		let body = '';
		for await (const chunk of req.setEncoding('utf8')) {
			body += String(chunk);
		}
		const known = this.#objects.get(path);
		if (req.method === 'GET' && /\/[a-z]+s$/.test(path)) {
			const items = [...this.#objects].filter(([id]) => id.startsWith(`${path}/`)).map(([, object]) => object);
			reply(res, 200, { metadata: { resourceVersion: String(this.#version) }, items });
		} else if (req.method === 'GET') {
			reply(res, known ? 200 : 404, known ?? { reason: 'NotFound', message: 'not found' });
		} else if (req.method === 'POST' || req.method === 'PUT') {
			this.#write(res, path, JSON.parse(body) as KubeObject, req.method);
		} else {
			reply(res, 405, {});
		}
	}

	#write(res: ServerResponse, path: string, given: KubeObject, method: string): void {
		const id = method === 'POST' ? `${path}/${given.metadata.name}` : path;
		const known = this.#objects.get(id);
		if (method === 'POST' && known) {
			reply(res, 409, { reason: 'AlreadyExists', message: 'it exists' });
		} else if (method === 'PUT' && known?.metadata.resourceVersion !== given.metadata.resourceVersion) {
			reply(res, 409, { reason: 'Conflict', message: 'it has changed' });
		} else {
			const object = { ...given, metadata: { ...given.metadata, resourceVersion: String(++this.#version) } };
			this.#objects.set(id, object);
			reply(res, 200, object);
		}
	}

	#tell(path: string, type: string, object: KubeObject): void {
		const line = `${JSON.stringify({ type, object })}\n`;
		this.#history.push({ path, version: Number(object.metadata.resourceVersion), line });
		for (const [res, watched] of this.#watches) {
			if (watched === path) {
				res.write(line);
			}
		}
	}
}

/** Answers the next request that matches with an error. */
export function failWith(
	status: number,
	body: object,
	matches: (req: IncomingMessage) => boolean,
	headers: Record<string, string> = {},
): Fault {
	return (req, res) => {
		if (!matches(req)) {
			return false;
		}
		res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
		return true;
	};
}

function reply(res: ServerResponse, status: number, body: object): void {
	res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
