/** What the primary tells a worker at its birth: who it is, and the configuration that the primary loaded. */
import type { Config } from './schema.ts';

/** The environment variable that carries it; read in `load.ts`. */
export const FORK_ENV = 'SOCKETFLEET_FORK';

export interface ForkIdentity {
	/** Short random id of the pod, part of every session id. */
	readonly pod: string;
	/** Unique to this life of the pod: tells two pods of one id apart. */
	readonly incarnation: string;
	/** Index of the worker's slot. */
	readonly slot: number;
	/** Number of slots in this pod. */
	readonly slots: number;
	/** The port on which this pod takes forwarded requests; 0 when it takes none. */
	readonly internalPort: number;
	/** Folder of the pod's Unix sockets. */
	readonly runDir: string;
	readonly config: Config;
}

/** Shared by the workers of a pod: the socket on which the worker of `slot` takes requests from its siblings. */
export function siblingSocketPath(runDir: string, slot: number): string {
	return `${runDir}/http-${slot}.sock`;
}
