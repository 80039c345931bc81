/** An API server in memory, behind the client's interface: versions, conflicts, finalizers, garbage collection, watches. Apply merges maps. */
import type { ApplyOptions, KubeClient, KubeList, Scope, WatchEvent } from '../../src/kube/client.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { apiVersionOf, controllerOf, type KubeObject, type ObjectRef, RESOURCES, type Resource } from '../../src/kube/object.ts';

type Tree = Record<string, unknown>;

export class FakeKube implements KubeClient {
	/** Every change that was asked for, as `apply Deployment/chat`. */
	readonly writes: string[] = [];
	/** Called before each change; what it throws is the answer. */
	beforeWrite: (write: string) => void = () => undefined;
	/** When something is deleted. */
	time: () => string = () => '2026-01-01T00:00:00Z';
	readonly #objects = new Map<string, KubeObject>();
	readonly #watchers = new Set<(resource: Resource, event: WatchEvent) => void>();
	#version = 0;
	#uid = 0;

	get(resource: Resource, ref: ObjectRef): Promise<KubeObject | undefined> {
		return Promise.resolve(structuredClone(this.#objects.get(idOf(resource, ref))));
	}

	list(resource: Resource, scope: Scope): Promise<KubeList> {
		const items = [...this.#objects.entries()].filter(([id, object]) => id.startsWith(`${resource.plural} `) && isIn(object, scope));
		return Promise.resolve({
			metadata: { resourceVersion: String(this.#version) },
			items: items.map(([, object]) => structuredClone(object)),
		});
	}

	async create(resource: Resource, object: KubeObject): Promise<KubeObject> {
		this.#write('create', resource, object.metadata.name);
		if (this.#objects.has(idOf(resource, toRef(object)))) {
			throw new KubeError('already-exists', 'it exists', { httpStatus: 409 });
		}
		return this.#store(resource, object);
	}

	async replace(resource: Resource, object: KubeObject): Promise<KubeObject> {
		this.#write('update', resource, object.metadata.name);
		this.#require(resource, toRef(object), object.metadata.resourceVersion);
		return this.#store(resource, object);
	}

	async apply(resource: Resource, object: KubeObject, { subresource }: ApplyOptions): Promise<KubeObject> {
		this.#write(subresource === undefined ? 'apply' : `apply ${subresource}`, resource, object.metadata.name);
		const known = this.#objects.get(idOf(resource, toRef(object)));
		if (subresource !== undefined) {
			return this.#store(resource, { ...this.#require(resource, toRef(object)), [subresource]: object[subresource] });
		}
		return this.#store(resource, known ? (merge(known as unknown as Tree, object as unknown as Tree) as unknown as KubeObject) : object);
	}

	async patch(resource: Resource, ref: ObjectRef, body: object): Promise<KubeObject> {
		this.#write('patch', resource, ref.name);
		const { metadata } = body as { metadata?: { resourceVersion?: string } };
		const known = this.#require(resource, ref, metadata?.resourceVersion);
		return this.#store(resource, merge(known as unknown as Tree, body as Tree) as unknown as KubeObject);
	}

	async remove(resource: Resource, ref: ObjectRef, uid?: string): Promise<void> {
		this.#write('delete', resource, ref.name);
		const known = this.#objects.get(idOf(resource, ref));
		if (known && uid !== undefined && known.metadata.uid !== uid) {
			throw new KubeError('conflict', 'another object', { httpStatus: 409 });
		}
		if (known) {
			const { metadata } = known;
			this.#store(resource, {
				...known,
				metadata: { ...metadata, deletionTimestamp: metadata.deletionTimestamp ?? this.time() },
			});
		}
	}

	async *watch(resource: Resource, scope: Scope, _version: string, signal: AbortSignal): AsyncIterable<WatchEvent> {
		const events: WatchEvent[] = [];
		let wake = Promise.withResolvers<void>();
		const watcher = (changed: Resource, event: WatchEvent): void => {
			if (changed.plural === resource.plural && isIn(event.object, scope)) {
				events.push(event);
				wake.resolve();
			}
		};
		this.#watchers.add(watcher);
		signal.addEventListener('abort', () => wake.resolve());
		while (!signal.aborted) {
			yield* events.splice(0);
			await wake.promise;
			wake = Promise.withResolvers<void>();
		}
		this.#watchers.delete(watcher);
	}

	close(): Promise<void> {
		return Promise.resolve();
	}

	/** Puts an object there as if someone else had; no write of the client. */
	seed(resource: Resource, object: { readonly metadata: ObjectRef & Tree; readonly [field: string]: unknown }): KubeObject {
		return this.#store(resource, { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind } as KubeObject);
	}

	/** Takes an object away at once, as its controller would. */
	drop(resource: Resource, ref: ObjectRef): void {
		const known = this.#objects.get(idOf(resource, ref));
		if (known) {
			this.#delete(resource, known);
		}
	}

	/** All of a kind, as they are now: to read only. */
	objects(resource: Resource): KubeObject[] {
		return [...this.#objects.entries()].filter(([id]) => id.startsWith(`${resource.plural} `)).map(([, object]) => object);
	}

	names(resource: Resource): string[] {
		return [...this.#objects.keys()]
			.filter((id) => id.startsWith(`${resource.plural} `))
			.map((id) => id.split('/')[1] ?? '')
			.sort();
	}

	#write(verb: string, resource: Resource, name: string): void {
		const write = `${verb} ${resource.kind}/${name}`;
		this.beforeWrite(write);
		this.writes.push(write);
	}

	#require(resource: Resource, ref: ObjectRef, version?: string): KubeObject {
		const known = this.#objects.get(idOf(resource, ref));
		if (!known) {
			throw new KubeError('not-found', `${resource.kind} ${ref.name} not found`, { httpStatus: 404 });
		}
		if (version !== undefined && version !== known.metadata.resourceVersion) {
			throw new KubeError('conflict', 'it has changed', { httpStatus: 409 });
		}
		return known;
	}

	#store(resource: Resource, given: KubeObject): KubeObject {
		const id = idOf(resource, toRef(given));
		const known = this.#objects.get(id);
		const { resourceVersion: _, ...metadata } = given.metadata;
		const generation = (known?.metadata.generation ?? 0) + (known && same(known.spec, given.spec) ? 0 : 1);
		const object = structuredClone({
			...given,
			metadata: { ...metadata, uid: known?.metadata.uid ?? `uid-${++this.#uid}`, generation },
		}) as KubeObject;
		if (
			known &&
			same(
				{ ...known, metadata: { ...known.metadata, resourceVersion: undefined } },
				{ ...object, metadata: { ...object.metadata, resourceVersion: undefined } },
			)
		) {
			return structuredClone(known);
		}
		const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
		if (stored.metadata.deletionTimestamp !== undefined && (stored.metadata.finalizers ?? []).length === 0 && resource.kind !== 'Pod') {
			this.#delete(resource, stored);
			return stored;
		}
		this.#objects.set(id, stored);
		this.#tell(resource, { type: known ? 'MODIFIED' : 'ADDED', object: stored });
		return structuredClone(stored);
	}

	#delete(resource: Resource, object: KubeObject): void {
		this.#objects.delete(idOf(resource, toRef(object)));
		this.#version++;
		this.#tell(resource, {
			type: 'DELETED',
			object: { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } },
		});
		for (const [id, child] of this.#objects) {
			const childResource = Object.values(RESOURCES).find(({ plural }) => id.startsWith(`${plural} `));
			if (childResource && controllerOf(child)?.uid === object.metadata.uid) {
				this.#delete(childResource, child);
			}
		}
	}

	#tell(resource: Resource, event: WatchEvent): void {
		for (const watcher of this.#watchers) {
			watcher(resource, structuredClone(event));
		}
	}
}

function idOf({ plural }: Resource, { namespace, name }: ObjectRef): string {
	return `${plural} ${namespace}/${name}`;
}

function toRef({ metadata: { namespace = '', name } }: KubeObject): ObjectRef {
	return { namespace, name };
}

function isIn({ metadata: { namespace, labels = {} } }: KubeObject, scope: Scope): boolean {
	const pairs = (scope.labelSelector ?? '').split(',').filter((pair) => pair !== '');
	return (
		(scope.namespace === undefined || scope.namespace === namespace) &&
		pairs.every((pair) => {
			const [key = '', value] = pair.split('=');
			return labels[key] === value;
		})
	);
}

/** As a JSON merge patch: null removes. */
function merge(base: Tree, over: Tree): Tree {
	const merged: Tree = { ...base };
	for (const [key, value] of Object.entries(over)) {
		const below = base[key];
		if (value === null) {
			delete merged[key];
		} else {
			merged[key] = isTree(value) ? merge(isTree(below) ? below : {}, value) : value;
		}
	}
	return merged;
}

function isTree(value: unknown): value is Tree {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function same(a: unknown, b: unknown): boolean {
	return JSON.stringify(a) === JSON.stringify(b);
}
