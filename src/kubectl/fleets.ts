/** The fleets of a namespace, whether a chart, plain manifests or the operator made them. */
import { AppError } from '../base/errors.ts';
import { isOver } from '../fleet/pods.ts';
import type { KubeClient } from '../kube/client.ts';
import { isFailure } from '../kube/errors.ts';
import { controllerOf, type KubeObject, pick, pickText, RESOURCES, toSelector } from '../kube/object.ts';

export interface Fleet {
	readonly name: string;
	readonly namespace: string;
	/** Undefined as long as the operator has not made it. */
	readonly deployment: KubeObject | undefined;
	/** Undefined for a fleet of the chart. */
	readonly socketFleet: KubeObject | undefined;
}

const FLEETS_SELECTOR = 'app.kubernetes.io/name=socketfleet';

/** By name. A SocketFleet and its Deployment have the same one. */
export async function listFleets(client: KubeClient, namespace: string): Promise<readonly Fleet[]> {
	const [deployments, socketFleets] = await Promise.all([listDeployments(client, namespace), listSocketFleets(client, namespace)]);
	const names = [...new Set([...deployments, ...(socketFleets ?? [])].map(({ metadata }) => metadata.name))].sort();
	return names.map((name) => {
		const deployment = deployments.find(({ metadata }) => metadata.name === name);
		if (socketFleets === undefined && deployment && controllerOf(deployment)?.kind === 'SocketFleet') {
			throw new AppError(
				'ERR_FORBIDDEN',
				`fleet ${name} is a SocketFleet, and the cluster does not let you read it: it takes the verb list on socketfleets.socketfleet.dev`,
			);
		}
		return { name, namespace, deployment, socketFleet: socketFleets?.find(({ metadata }) => metadata.name === name) };
	});
}

/** The named one, or the only one. Throws ERR_NOT_FOUND or ERR_USAGE with the names that there are. */
export async function findFleet(client: KubeClient, namespace: string, name: string | undefined): Promise<Fleet> {
	return chooseFleet(await listFleets(client, namespace), namespace, name);
}

export function chooseFleet(fleets: readonly Fleet[], namespace: string, name: string | undefined): Fleet {
	const names = fleets.map((fleet) => fleet.name).join(', ');
	if (fleets.length === 0) {
		throw new AppError('ERR_NOT_FOUND', `no fleets in namespace ${namespace}: name another with --namespace`);
	}
	const found = name === undefined ? fleets[0] : fleets.find((fleet) => fleet.name === name);
	if (!found) {
		throw new AppError('ERR_NOT_FOUND', `no fleet ${name} in namespace ${namespace}; there are: ${names}`);
	}
	if (name === undefined && fleets.length > 1) {
		throw new AppError('ERR_USAGE', `which fleet? namespace ${namespace} has several: ${names}`);
	}
	return found;
}

/** Every pod that is not over, those that terminate too. */
export async function listPods(client: KubeClient, { namespace, deployment }: Fleet): Promise<readonly KubeObject[]> {
	if (!deployment) {
		return [];
	}
	const { items } = await client.list(RESOURCES.Pod, { namespace, labelSelector: selectorOf(deployment) });
	return items.filter((pod) => !isOver(pod)).toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** What made the fleet, in words. */
export function originOf({ socketFleet, deployment }: Fleet): string {
	if (socketFleet) {
		return 'SocketFleet';
	}
	return deployment?.metadata.labels?.['app.kubernetes.io/managed-by'] === 'Helm' ? 'Helm release' : 'Deployment';
}

function selectorOf(deployment: KubeObject): string {
	return toSelector((pick(deployment, 'spec', 'selector', 'matchLabels') ?? {}) as Readonly<Record<string, string>>);
}

async function listDeployments(client: KubeClient, namespace: string): Promise<readonly KubeObject[]> {
	const { items } = await client.list(RESOURCES.Deployment, { namespace, labelSelector: FLEETS_SELECTOR });
	return items.filter((each) => pickText(each, 'spec', 'selector', 'matchLabels', 'app.kubernetes.io/component') === 'fleet');
}

/** None where the definition is not installed; undefined where they may not be read, which matters only if a fleet is one. */
async function listSocketFleets(client: KubeClient, namespace: string): Promise<readonly KubeObject[] | undefined> {
	try {
		return (await client.list(RESOURCES.SocketFleet, { namespace })).items;
	} catch (error) {
		if (isFailure(error, 'not-found')) {
			return [];
		}
		if (isFailure(error, 'forbidden')) {
			return undefined;
		}
		throw error;
	}
}
