/** placeholder until the emit API is in */
import type { Closable } from '../base/lifecycle.ts';

export function startApi(_deps: object): Promise<(Closable & { readonly port: number }) | undefined> {
	return Promise.resolve(undefined);
}
