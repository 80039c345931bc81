/** The tokens of a pod's admin port: from the same Secrets that the pod itself is given. */
import { AppError } from '../base/errors.ts';
import type { OptionKey } from '../config/schema.ts';
import type { KubeClient } from '../kube/client.ts';
import { type KubeObject, pickText, RESOURCES, secretText } from '../kube/object.ts';
import { envEntry } from './container.ts';

export interface TokenReader {
	/** Empty when the pod asks for none. */
	forReading(pod: KubeObject): Promise<string>;
	/** For what closes connections. Throws ERR_UNAUTHORIZED when the pod has no key at all. */
	forClosing(pod: KubeObject): Promise<string>;
}

export function createTokenReader(client: KubeClient): TokenReader {
	/** By namespace and name: the pods of a fleet share theirs. */
	const secrets = new Map<string, Promise<KubeObject | undefined>>();

	const readSecret = (namespace: string, name: string): Promise<KubeObject | undefined> => {
		const key = `${namespace}/${name}`;
		const known = secrets.get(key) ?? client.get(RESOURCES.Secret, { namespace, name });
		secrets.set(key, known);
		return known;
	};

	const read = async (pod: KubeObject, option: OptionKey): Promise<string> => {
		const entry = envEntry(pod, option);
		const name = pickText(entry, 'valueFrom', 'secretKeyRef', 'name');
		if (name === '') {
			return pickText(entry, 'value');
		}
		return secretText(await readSecret(pod.metadata.namespace ?? '', name), pickText(entry, 'valueFrom', 'secretKeyRef', 'key'));
	};

	return {
		forReading: (pod) => read(pod, 'adminToken'),
		async forClosing(pod) {
			const token = (await read(pod, 'adminToken')) || (await read(pod, 'fleetKey'));
			if (token === '') {
				throw new AppError(
					'ERR_UNAUTHORIZED',
					`pod ${pod.metadata.name} has neither an admin token nor a fleet key, so that nobody may close its connections: set admin.existingSecret`,
				);
			}
			return token;
		},
	};
}
