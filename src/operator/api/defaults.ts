/** The defaults of a structural schema, as the API server fills them in: what tests and dry runs have instead of one. */
import type { JsonSchema } from './field.ts';
import { type FleetSpec, SPEC_FIELDS } from './spec.ts';

/** A spec as a user writes it: any part of it. */
export type PartialSpec = { readonly [K in keyof FleetSpec]?: unknown };

export function applyDefaults(spec: PartialSpec): FleetSpec {
	const filled = Object.entries(SPEC_FIELDS).map(([key, field]) => [key, fill(field.schema, spec[key as keyof FleetSpec])]);
	return Object.fromEntries(filled) as FleetSpec;
}

function fill(schema: JsonSchema, given: unknown): unknown {
	const value = given ?? structuredClone(schema.default);
	const { properties } = schema;
	if (!isRecord(properties) || !isRecord(value)) {
		return value;
	}
	const known = Object.entries(properties).map(([key, child]) => [key, isRecord(child) ? fill(child, value[key]) : undefined]);
	return Object.fromEntries(known.filter(([, each]) => each !== undefined));
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}
