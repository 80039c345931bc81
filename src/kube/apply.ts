/** Server-side apply of what is wanted, only where what is there differs. */
import { createHash } from 'node:crypto';
import type { KubeObject } from './object.ts';

/** On an applied object: a hash of all that was applied, so that what is no longer wanted is seen too. */
export const APPLIED_ANNOTATION = 'socketfleet.dev/applied';

/** The object to apply: with the hash of itself. */
export function stamp(wanted: KubeObject): KubeObject {
	const hash = createHash('sha256').update(JSON.stringify(wanted)).digest('hex').slice(0, 16);
	return { ...wanted, metadata: { ...wanted.metadata, annotations: { ...wanted.metadata.annotations, [APPLIED_ANNOTATION]: hash } } };
}

/**
 * Whether `wanted` (stamped) must be applied over `live`. An API server may write a value otherwise than it was given, as `1000m` for 1:
 * then this says yes each time, and an apply that changes nothing costs one request and no new version.
 */
export function needsApply(wanted: KubeObject, live: KubeObject | undefined): boolean {
	return live === undefined || !contains(live, wanted);
}

/** Whether `whole` has all that `part` has; lists must have the same length. */
export function contains(whole: unknown, part: unknown): boolean {
	if (Array.isArray(part)) {
		return Array.isArray(whole) && whole.length === part.length && part.every((item, index) => contains(whole[index], item));
	}
	if (typeof part === 'object' && part !== null) {
		return (
			typeof whole === 'object' &&
			whole !== null &&
			Object.entries(part).every(([key, value]) => value === undefined || contains((whole as Record<string, unknown>)[key], value))
		);
	}
	return whole === part;
}
