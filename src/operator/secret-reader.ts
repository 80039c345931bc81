/** Reads the Secrets of a fleet by name: its generated ones, and those that hold the tokens of its pods. */
import type { KubeClient } from '../kube/client.ts';
import { type KubeObject, RESOURCES, secretText } from '../kube/object.ts';
import { apiSecretName, type FleetInput, fleetKeySecretName, redisSecretName } from './desired/names.ts';
import type { SecretLookup } from './desired/secrets.ts';

export interface FleetSecrets {
	/** The generated ones that exist, wanted or not. */
	readonly secrets: readonly KubeObject[];
	readonly lookup: SecretLookup;
	/** Opens the endpoints that close connections: the admin token or the fleet's key. */
	readonly token: string;
	/** Opens the metrics; empty: they are open. */
	readonly adminToken: string;
}

export async function readSecrets(client: KubeClient, fleet: FleetInput): Promise<FleetSecrets> {
	const { name, namespace, spec } = fleet;
	const generated = [`${name}-fleet-key`, `${name}-redis`, `${name}-api`];
	const others = [fleetKeySecretName(fleet), redisSecretName(fleet), apiSecretName(fleet), spec.admin.existingSecret];
	const names = [...new Set([...generated, ...others])].filter((each) => each !== '');
	const read = await Promise.all(names.map((each) => client.get(RESOURCES.Secret, { namespace, name: each })));
	const present = read.filter((secret) => secret !== undefined);
	const lookup: SecretLookup = (wanted) => present.find(({ metadata }) => metadata.name === wanted);
	const adminToken = secretText(lookup(spec.admin.existingSecret), 'token');
	return {
		secrets: present.filter(({ metadata }) => generated.includes(metadata.name)),
		lookup,
		adminToken,
		token: adminToken || secretText(lookup(fleetKeySecretName(fleet)), 'current'),
	};
}
