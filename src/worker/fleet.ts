/** The fleet as an application sees it. */
import type { Directory } from './pods/directory.ts';

export interface Fleet {
	/** Ids of the pods that are known, this one included. */
	pods(): readonly string[];
}

export function createFleet(pod: string, directory: Pick<Directory, 'pods'> | undefined): Fleet {
	return {
		pods: () => [...new Set([pod, ...(directory?.pods() ?? []).map(({ pod: other }) => other)])],
	};
}
