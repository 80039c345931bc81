/** Where other pods reach this one. */
import { networkInterfaces } from 'node:os';
import type { Config } from '../config/schema.ts';

export function advertisedHost({ advertiseHost, host }: Pick<Config, 'advertiseHost' | 'host'>): string {
	if (advertiseHost !== '') {
		return advertiseHost;
	}
	if (host !== '' && host !== '0.0.0.0' && host !== '::') {
		return host;
	}
	const external = Object.values(networkInterfaces())
		.flatMap((addresses) => addresses ?? [])
		.find(({ internal, family }) => !internal && family === 'IPv4');
	return external?.address ?? '127.0.0.1';
}
