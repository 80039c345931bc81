/** Tells one wish from another: equal objects, written in the same order, have the same. */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../api/field.ts';

export function shortHash(value: JsonObject): string {
	return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 10);
}
