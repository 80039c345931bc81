/** How bringing a client back ends. That it can't be is expected, and a value: errors are what Redis and time do. */
import type { Refusal } from '../../metrics/refusals.ts';

export interface Refused {
	readonly kind: 'refused';
	readonly reason: Refusal;
}

export function refused(reason: Refusal): Refused {
	return { kind: 'refused', reason };
}
