/** The verbs of the Kubernetes API over plain JSON objects. Throws KubeError; every request has a deadline. */
import type { IncomingMessage } from 'node:http';
import { messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import { KubeError, toKubeError } from './errors.ts';
import { type KubeObject, type ObjectRef, pathOf, type Resource } from './object.ts';
import type { KubeRequest, Transport } from './transport.ts';

export interface KubeList {
	readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
	readonly items: readonly KubeObject[];
}

export interface WatchEvent {
	readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
	readonly object: KubeObject;
}

/** What a list or a watch covers. */
export interface Scope {
	/** Absent: the whole cluster. */
	readonly namespace?: string | undefined;
	readonly labelSelector?: string;
}

export interface ApplyOptions {
	readonly fieldManager: string;
	readonly subresource?: 'status';
}

export interface KubeClient extends Closable {
	/** Undefined when there is none. */
	get(resource: Resource, ref: ObjectRef): Promise<KubeObject | undefined>;
	list(resource: Resource, scope: Scope): Promise<KubeList>;
	create(resource: Resource, object: KubeObject): Promise<KubeObject>;
	/** Fails with `conflict` when the object changed since its `resourceVersion`. */
	replace(resource: Resource, object: KubeObject): Promise<KubeObject>;
	/** Server-side apply; takes over fields that others own. Unknown fields are an error. */
	apply(resource: Resource, object: KubeObject, options: ApplyOptions): Promise<KubeObject>;
	/** JSON merge patch. */
	patch(resource: Resource, ref: ObjectRef, body: object, fieldManager: string): Promise<KubeObject>;
	/** In the background; done when it is already gone. With `uid` only that very object. */
	remove(resource: Resource, ref: ObjectRef, uid?: string): Promise<void>;
	/** Ends when the server ends it; throws what went wrong. */
	watch(resource: Resource, scope: Scope, resourceVersion: string, signal: AbortSignal): AsyncIterable<WatchEvent>;
}

export interface KubeClientOptions {
	readonly transport: Transport;
	/** Told of every request, for a counter. */
	readonly onRequest?: (verb: string, result: 'ok' | 'error') => void;
	readonly requestTimeoutMs?: number;
	readonly watchTimeoutMs?: number;
}

const REQUEST_TIMEOUT_MS = 30_000;
/** The server ends a watch after this; a bookmark comes every minute, so that longer silence means a dead connection. */
const WATCH_TIMEOUT_MS = 290_000;
const WATCH_SILENCE_MS = 150_000;
const PAGE = 500;

export function createKubeClient(options: KubeClientOptions): KubeClient {
	return new HttpKubeClient(options);
}

class HttpKubeClient implements KubeClient {
	readonly #options: KubeClientOptions;

	constructor(options: KubeClientOptions) {
		this.#options = options;
	}

	async get(resource: Resource, { namespace, name }: ObjectRef): Promise<KubeObject | undefined> {
		try {
			return (await this.#call('get', { method: 'GET', path: pathOf(resource, namespace, name) })) as KubeObject;
		} catch (error) {
			if (error instanceof KubeError && error.failure === 'not-found') {
				return undefined;
			}
			throw error;
		}
	}

	async list(resource: Resource, scope: Scope): Promise<KubeList> {
		const items: KubeObject[] = [];
		let page: KubeList | undefined;
		do {
			const query = queryOf(scope, { limit: String(PAGE), ...(page?.metadata.continue ? { continue: page.metadata.continue } : {}) });
			page = (await this.#call('list', { method: 'GET', path: `${pathOf(resource, scope.namespace)}${query}` })) as KubeList;
			items.push(...page.items);
		} while (page.metadata.continue);
		return { metadata: page.metadata, items };
	}

	async create(resource: Resource, object: KubeObject): Promise<KubeObject> {
		const path = pathOf(resource, object.metadata.namespace);
		return (await this.#call('create', { method: 'POST', path, ...json(object) })) as KubeObject;
	}

	async replace(resource: Resource, object: KubeObject): Promise<KubeObject> {
		const path = pathOf(resource, object.metadata.namespace, object.metadata.name);
		return (await this.#call('update', { method: 'PUT', path, ...json(object) })) as KubeObject;
	}

	async apply(resource: Resource, object: KubeObject, { fieldManager, subresource }: ApplyOptions): Promise<KubeObject> {
		const { namespace, name } = object.metadata;
		const path = `${pathOf(resource, namespace, name)}${subresource === undefined ? '' : `/${subresource}`}`;
		const query = `?fieldManager=${encodeURIComponent(fieldManager)}&force=true&fieldValidation=Strict`;
		const body = JSON.stringify(object);
		const request = { method: 'PATCH', path: `${path}${query}`, body, contentType: 'application/apply-patch+yaml' } as const;
		return (await this.#call('apply', request)) as KubeObject;
	}

	async patch(resource: Resource, { namespace, name }: ObjectRef, body: object, fieldManager: string): Promise<KubeObject> {
		const path = `${pathOf(resource, namespace, name)}?fieldManager=${encodeURIComponent(fieldManager)}`;
		const request = { method: 'PATCH', path, body: JSON.stringify(body), contentType: 'application/merge-patch+json' } as const;
		return (await this.#call('patch', request)) as KubeObject;
	}

	async remove(resource: Resource, { namespace, name }: ObjectRef, uid?: string): Promise<void> {
		const options = { propagationPolicy: 'Background', ...(uid === undefined ? {} : { preconditions: { uid } }) };
		try {
			await this.#call('delete', { method: 'DELETE', path: pathOf(resource, namespace, name), ...json(options) });
		} catch (error) {
			if (!(error instanceof KubeError && error.failure === 'not-found')) {
				throw error;
			}
		}
	}

	async *watch(resource: Resource, scope: Scope, resourceVersion: string, signal: AbortSignal): AsyncIterable<WatchEvent> {
		const { watchTimeoutMs = WATCH_TIMEOUT_MS } = this.#options;
		const timeoutSeconds = String(Math.max(1, Math.round(watchTimeoutMs / 1000)));
		const query = queryOf(scope, { watch: 'true', allowWatchBookmarks: 'true', resourceVersion, timeoutSeconds });
		const path = `${pathOf(resource, scope.namespace)}${query}`;
		const response = await this.#open('watch', { method: 'GET', path, signal, idleTimeoutMs: WATCH_SILENCE_MS });
		try {
			for await (const line of linesOf(response)) {
				yield JSON.parse(line) as WatchEvent;
			}
		} catch (error) {
			throw new KubeError('unreachable', `watching ${resource.plural}: ${messageOf(error)}`, { cause: error });
		} finally {
			response.destroy();
		}
	}

	async close(): Promise<void> {
		await this.#options.transport.close();
	}

	async #call(verb: string, request: Omit<KubeRequest, 'idleTimeoutMs' | 'signal'>): Promise<unknown> {
		const timeoutMs = this.#options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
		const response = await this.#open(verb, { ...request, signal: AbortSignal.timeout(timeoutMs), idleTimeoutMs: timeoutMs });
		return readJson(response, `${verb} ${request.path}`);
	}

	/** The answer when it is a good one; its error otherwise. */
	async #open(verb: string, request: KubeRequest): Promise<IncomingMessage> {
		const what = `${verb} ${request.path.split('?')[0]}`;
		let response: IncomingMessage;
		try {
			response = await this.#options.transport.send(request);
		} catch (error) {
			this.#options.onRequest?.(verb, 'error');
			throw new KubeError('unreachable', `${what}: ${messageOf(error)}`, { cause: error });
		}
		const status = response.statusCode ?? 0;
		this.#options.onRequest?.(verb, status < 400 ? 'ok' : 'error');
		if (status >= 400) {
			throw toKubeError(what, status, await readJson(response, what), response.headers['retry-after']);
		}
		return response;
	}
}

function json(body: object): { body: string; contentType: string } {
	return { body: JSON.stringify(body), contentType: 'application/json' };
}

function queryOf({ labelSelector }: Scope, more: Readonly<Record<string, string>>): string {
	return `?${new URLSearchParams({ ...more, ...(labelSelector === undefined ? {} : { labelSelector }) }).toString()}`;
}

async function* linesOf(response: IncomingMessage): AsyncIterable<string> {
	let rest = '';
	for await (const chunk of response.setEncoding('utf8')) {
		const lines = `${rest}${String(chunk)}`.split('\n');
		rest = lines.pop() ?? '';
		yield* lines.filter((line) => line !== '');
	}
}

/** What is no JSON, as an error page of a proxy, is given as text. */
async function readJson(response: IncomingMessage, what: string): Promise<unknown> {
	let text = '';
	try {
		for await (const chunk of response.setEncoding('utf8')) {
			text += String(chunk);
		}
	} catch (error) {
		throw new KubeError('unreachable', `${what}: ${messageOf(error)}`, { cause: error });
	}
	try {
		return JSON.parse(text);
	} catch {
		return { message: text.slice(0, 200) }; // the status code says the rest
	}
}
