/** Makes the objects of a fleet what they should be, and removes those that should no longer be. Problems are sentences, one object's never stops the others. */
import { messageOf } from '../base/errors.ts';
import { APPLIED_ANNOTATION, needsApply, stamp } from '../kube/apply.ts';
import type { KubeClient } from '../kube/client.ts';
import { isFailure } from '../kube/errors.ts';
import {
	apiVersionOf,
	controllerOf,
	type Kind,
	type KubeObject,
	keyOf,
	type ObjectRef,
	type OwnerReference,
	RESOURCES,
} from '../kube/object.ts';
import { ADOPT_ANNOTATION, type SocketFleet } from './api/fleet.ts';
import type { Cache, WatchedKind } from './cache.ts';

export const FIELD_MANAGER = 'socketfleet-operator';

export interface ChildrenOptions {
	readonly client: KubeClient;
	readonly cache: Cache;
	readonly fleet: SocketFleet;
	/** Secrets that were read for this fleet. */
	readonly secrets: readonly KubeObject[];
}

export async function applyChildren(options: ChildrenOptions, desired: readonly KubeObject[]): Promise<readonly string[]> {
	const problems: string[] = [];
	for (const object of desired) {
		const problem = await applyOne(options, object);
		if (problem !== undefined) {
			problems.push(problem);
		}
	}
	return problems;
}

/** What stands in the cluster with our mark and is not among `desired`. */
export async function pruneChildren(options: ChildrenOptions, desired: readonly KubeObject[]): Promise<readonly string[]> {
	const { client, cache, fleet, secrets } = options;
	const uid = fleet.metadata.uid ?? '';
	const wanted = new Set(desired.map(identify));
	const owned = [...cache.childrenOf(uid), ...secrets.filter((secret) => controllerOf(secret)?.uid === uid)];
	const problems: string[] = [];
	for (const object of owned) {
		// Only what was applied: pods' and endpoints' owners are others, and a user may point at the fleet for reasons of their own.
		if (wanted.has(identify(object)) || object.metadata.annotations?.[APPLIED_ANNOTATION] === undefined) {
			continue;
		}
		try {
			await client.remove(RESOURCES[object.kind as Kind], toRef(object), object.metadata.uid);
		} catch (error) {
			problems.push(`${identify(object)} is no longer wanted and can't be removed: ${messageOf(error)}`);
		}
	}
	return problems;
}

async function applyOne(options: ChildrenOptions, object: KubeObject): Promise<string | undefined> {
	const { client, cache, fleet } = options;
	const kind = object.kind as Kind;
	const informer = cache.children.get(kind as WatchedKind);
	if (informer?.isAbsent) {
		return `${kind} is not known to this cluster: install its definition, or turn off the field that asks for it`;
	}
	try {
		const live = await findLive(options, kind, object);
		const foreign = live && refusalOf(fleet, live);
		if (foreign !== undefined) {
			return foreign;
		}
		const wanted = stamp({ ...object, metadata: { ...object.metadata, ownerReferences: [ownerReference(fleet)] } });
		if (needsApply(wanted, live)) {
			const applied = await client.apply(RESOURCES[kind], wanted, { fieldManager: FIELD_MANAGER });
			informer?.remember(applied);
		}
		return undefined;
	} catch (error) {
		return `${identify(object)} can't be applied: ${messageOf(error)}${isFailure(error, 'forbidden') ? ' (see the rights of the operator)' : ''}`;
	}
}

/** What is not in the cache may still exist without our labels. */
async function findLive({ client, cache, secrets }: ChildrenOptions, kind: Kind, object: KubeObject): Promise<KubeObject | undefined> {
	if (kind === 'Secret') {
		return secrets.find(({ metadata }) => metadata.name === object.metadata.name);
	}
	const cached = cache.children.get(kind as WatchedKind)?.get(keyOf(object.metadata));
	return cached ?? (await client.get(RESOURCES[kind], toRef(object)));
}

/** An object of our name that is not ours is not touched, unless the user says so. One that has another controller, never. */
function refusalOf(fleet: SocketFleet, live: KubeObject): string | undefined {
	const controller = controllerOf(live);
	if (controller?.uid === fleet.metadata.uid) {
		return undefined;
	}
	if (controller) {
		return `${identify(live)} exists and belongs to ${controller.kind} ${controller.name}: remove it, or choose another name for the fleet`;
	}
	return fleet.metadata.annotations?.[ADOPT_ANNOTATION] === 'true'
		? undefined
		: `${identify(live)} exists and is not this fleet's: remove it, choose another name, or annotate the fleet with ${ADOPT_ANNOTATION}=true`;
}

function ownerReference({ metadata: { name, uid = '' } }: SocketFleet): OwnerReference {
	return { apiVersion: apiVersionOf(RESOURCES.SocketFleet), kind: 'SocketFleet', name, uid, controller: true };
}

function identify({ kind, metadata: { name } }: KubeObject): string {
	return `${kind} ${name}`;
}

function toRef({ metadata: { namespace = '', name } }: KubeObject): ObjectRef {
	return { namespace, name };
}
