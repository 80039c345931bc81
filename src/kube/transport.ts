/** HTTP to an API server: one request in, one answer out, with keep-alive and credentials. Knows no objects. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { Closable } from '../base/lifecycle.ts';

export interface KubeRequest {
	readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
	/** With its query. */
	readonly path: string;
	readonly body?: string;
	readonly contentType?: string;
	readonly signal?: AbortSignal;
	/** Silence of the connection after which the request fails. */
	readonly idleTimeoutMs: number;
}

export interface Transport extends Closable {
	/** Resolves when the head of the answer is there; the body is the stream. */
	send(request: KubeRequest): Promise<IncomingMessage>;
}

/** Sets headers and TLS settings on the options of one request; called for each, since tokens expire. */
export type Authorize = (options: RequestOptions) => Promise<void>;

export function createTransport(server: string, authorize: Authorize): Transport {
	return new HttpTransport(server, authorize);
}

class HttpTransport implements Transport {
	readonly #base: URL;
	readonly #authorize: Authorize;
	readonly #agent: HttpAgent | HttpsAgent;
	readonly #request: typeof httpRequest | typeof httpsRequest;

	constructor(server: string, authorize: Authorize) {
		this.#base = new URL(server);
		this.#authorize = authorize;
		const secure = this.#base.protocol === 'https:';
		// Node keeps connections apart by their TLS settings: one agent serves a rotated certificate too.
		this.#agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
		this.#request = secure ? httpsRequest : httpRequest;
	}

	async send({ method, path, body, contentType, signal, idleTimeoutMs }: KubeRequest): Promise<IncomingMessage> {
		const options: RequestOptions = { headers: { accept: 'application/json' } };
		await this.#authorize(options);
		// What it set up without keep-alive, unless it leads through a proxy.
		if (options.agent === undefined || options.agent.constructor === HttpsAgent || options.agent.constructor === HttpAgent) {
			options.agent = this.#agent;
		}
		const headers = {
			...(options.headers as Record<string, string>),
			...(contentType === undefined ? {} : { 'content-type': contentType }),
		};
		return new Promise((resolve, reject) => {
			const request = this.#request(this.#url(path), { ...options, method, headers, ...(signal ? { signal } : {}) }, resolve);
			request.setTimeout(idleTimeoutMs, () => request.destroy(new Error(`silent for ${idleTimeoutMs} ms`)));
			request.once('error', reject);
			request.end(body);
		});
	}

	close(): void {
		this.#agent.destroy();
	}

	/** A server address may have a path of its own, as behind Rancher. */
	#url(path: string): URL {
		return new URL(`${this.#base.pathname.replace(/\/$/, '')}${path}`, this.#base);
	}
}
