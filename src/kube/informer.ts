/**
 * A copy of a collection that keeps itself right: list, then watch; after any failure again, with back-off. Never stops by itself.
 * The official client's informer ends for good on a 429 and calls a failed first list a start, hence this one.
 */
import { backoffMs } from '../base/backoff.ts';
import { sleep } from '../base/deadline.ts';
import { messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { KubeClient, Scope, WatchEvent } from './client.ts';
import { isFailure, KubeError, toKubeError } from './errors.ts';
import { apiVersionOf, controllerOf, type KubeObject, keyOf, type ObjectKey, pickNumber, type Resource } from './object.ts';

export interface InformerOptions {
	readonly client: KubeClient;
	readonly resource: Resource;
	readonly scope: Scope;
	readonly log: Logger;
	/** A whole list at least this often, in case a watch missed something. */
	readonly relistMs?: number;
	readonly backoff?: { readonly minMs: number; readonly maxMs: number };
	/** The definition of the resource may be missing: then it counts as synced and empty, and is tried again at each relist. */
	readonly optional?: boolean;
	readonly onRestart?: (reason: string) => void;
}

/** `object` is what changed, in its last known state. */
export type InformerListener = (object: KubeObject) => void;

const RELIST_MS = 600_000;
const BACKOFF = { minMs: 500, maxMs: 30_000 };

export class Informer implements Closable {
	readonly #options: InformerOptions;
	readonly #store = new Map<ObjectKey, KubeObject>();
	/** Keys by the uid of the controller, so that the children of one object cost no scan. */
	readonly #byOwner = new Map<string, Set<ObjectKey>>();
	readonly #listeners: InformerListener[] = [];
	readonly #stopped = new AbortController();
	readonly #synced = Promise.withResolvers<void>();
	#hasSynced = false;
	#absent = false;
	#lastEventAt = Date.now();
	#running: Promise<void> | undefined;

	constructor(options: InformerOptions) {
		this.#options = options;
	}

	/** Starts at once. Resolves when the first list is there; waits for it as long as it takes. */
	start(): Promise<void> {
		this.#running ??= this.#run();
		return this.#synced.promise;
	}

	get hasSynced(): boolean {
		return this.#hasSynced;
	}

	/** Whether the API server does not know the resource. */
	get isAbsent(): boolean {
		return this.#absent;
	}

	/** Since the API server last said anything, a bookmark included. */
	get lastEventAgeMs(): number {
		return Date.now() - this.#lastEventAt;
	}

	get(key: ObjectKey): KubeObject | undefined {
		return this.#store.get(key);
	}

	all(): readonly KubeObject[] {
		return [...this.#store.values()];
	}

	/** The objects whose controller has this uid. */
	ownedBy(uid: string): readonly KubeObject[] {
		return [...(this.#byOwner.get(uid) ?? [])].flatMap((key) => this.#store.get(key) ?? []);
	}

	onChange(listener: InformerListener): void {
		this.#listeners.push(listener);
	}

	/** What the caller itself has just written or read: seen before the watch tells. Never older than what is here. */
	remember(object: KubeObject): void {
		const known = this.#store.get(keyOf(object.metadata));
		if (!known || isNewer(object, known)) {
			this.#put(object);
		}
	}

	async close(): Promise<void> {
		this.#stopped.abort();
		await this.#running;
	}

	async #run(): Promise<void> {
		const { signal } = this.#stopped;
		const { relistMs = RELIST_MS } = this.#options;
		let failures = 0;
		while (!signal.aborted) {
			try {
				const resourceVersion = await this.#relist();
				failures = 0;
				if (resourceVersion === undefined) {
					await sleep(relistMs, signal);
				} else {
					await this.#watchUntil(resourceVersion, Date.now() + relistMs);
				}
			} catch (error) {
				await this.#pause(error, failures++);
			}
		}
	}

	/** Resolves to the version to watch from; undefined when there is nothing to watch. */
	async #relist(): Promise<string | undefined> {
		const { client, resource, scope, optional = false } = this.#options;
		try {
			const { items, metadata } = await client.list(resource, scope);
			this.#absent = false;
			this.#replaceAll(items.map((item) => ({ ...item, apiVersion: apiVersionOf(resource), kind: resource.kind })));
			return metadata.resourceVersion;
		} catch (error) {
			if (!optional || !isFailure(error, 'not-found')) {
				throw error;
			}
			this.#absent = true;
			this.#replaceAll([]);
			return undefined;
		}
	}

	/** Watches on from where a watch ended, as it does every few minutes, until it is time for a list or the version is too old. */
	async #watchUntil(resourceVersion: string, deadline: number): Promise<void> {
		const { signal } = this.#stopped;
		let from = resourceVersion;
		let failures = 0;
		while (!signal.aborted && Date.now() < deadline) {
			const until = AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, deadline - Date.now()))]);
			try {
				from = await this.#watchOnce(from, until);
				failures = 0;
			} catch (error) {
				if (until.aborted) {
					return;
				}
				if (isFailure(error, 'gone')) {
					this.#options.onRestart?.('gone');
					return;
				}
				await this.#pause(error, failures++);
			}
		}
	}

	async #watchOnce(resourceVersion: string, signal: AbortSignal): Promise<string> {
		const { client, resource, scope } = this.#options;
		let last = resourceVersion;
		const startedAt = Date.now();
		for await (const event of client.watch(resource, scope, resourceVersion, signal)) {
			last = this.#take(event) ?? last;
		}
		if (Date.now() - startedAt < BACKOFF.minMs && last === resourceVersion) {
			// A server that ends every watch at once must not be asked in a tight loop.
			await sleep(this.#backoff().minMs, signal);
		}
		return last;
	}

	/** The version that the event brings. */
	#take({ type, object }: WatchEvent): string | undefined {
		this.#lastEventAt = Date.now();
		switch (type) {
			case 'ERROR':
				throw toKubeError(`watching ${this.#options.resource.plural}`, pickNumber(object, ['code']), object);
			case 'ADDED':
			case 'MODIFIED':
				this.#put(object);
				break;
			case 'DELETED':
				this.#drop(object);
				break;
			case 'BOOKMARK':
				break;
		}
		return object.metadata.resourceVersion;
	}

	async #pause(error: unknown, failures: number): Promise<void> {
		const { log, resource, onRestart } = this.#options;
		if (this.#stopped.signal.aborted) {
			return;
		}
		const asked = error instanceof KubeError ? error.retryAfterMs : undefined;
		const delayMs = Math.max(asked ?? 0, backoffMs(failures, this.#backoff()));
		log.warn({ resource: resource.plural, err: messageOf(error), delayMs }, 'list or watch failed and is tried again');
		onRestart?.(error instanceof KubeError ? error.failure : 'other');
		await sleep(delayMs, this.#stopped.signal);
	}

	#backoff(): { readonly minMs: number; readonly maxMs: number } {
		return this.#options.backoff ?? BACKOFF;
	}

	#replaceAll(items: readonly KubeObject[]): void {
		const present = new Set(items.map(({ metadata }) => keyOf(metadata)));
		for (const [key, object] of this.#store) {
			if (!present.has(key)) {
				this.#drop(object);
			}
		}
		for (const item of items) {
			if (this.#store.get(keyOf(item.metadata))?.metadata.resourceVersion !== item.metadata.resourceVersion) {
				this.#put(item);
			}
		}
		this.#lastEventAt = Date.now();
		this.#hasSynced = true;
		this.#synced.resolve();
	}

	#put(object: KubeObject): void {
		const key = keyOf(object.metadata);
		this.#unindex(key);
		const slim = withoutManagedFields(object);
		this.#store.set(key, slim);
		const owner = controllerOf(slim)?.uid;
		if (owner !== undefined) {
			const keys = this.#byOwner.get(owner) ?? new Set();
			this.#byOwner.set(owner, keys.add(key));
		}
		this.#tell(slim);
	}

	#drop(object: KubeObject): void {
		const key = keyOf(object.metadata);
		this.#unindex(key);
		this.#store.delete(key);
		this.#tell(object);
	}

	#unindex(key: ObjectKey): void {
		const old = this.#store.get(key);
		const owner = old && controllerOf(old)?.uid;
		const keys = owner === undefined ? undefined : this.#byOwner.get(owner);
		keys?.delete(key);
		if (owner !== undefined && keys?.size === 0) {
			this.#byOwner.delete(owner);
		}
	}

	#tell(object: KubeObject): void {
		for (const listener of this.#listeners) {
			listener(object);
		}
	}
}

/** They are half of an object's size and nobody here reads them. */
function withoutManagedFields(object: KubeObject): KubeObject {
	const { managedFields: _, ...metadata } = object.metadata as KubeObject['metadata'] & { managedFields?: unknown };
	return { ...object, metadata };
}

/** Versions are opaque by contract and ordered numbers in fact; since Kubernetes 1.35 also by contract. */
function isNewer(a: KubeObject, b: KubeObject): boolean {
	return Number(a.metadata.resourceVersion ?? 0) > Number(b.metadata.resourceVersion ?? 0);
}
