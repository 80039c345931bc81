/** A small language for the spec: each field is a structural JSON schema and, to the compiler, the type of its value. No Kubernetes here. */

export interface JsonSchema {
	readonly [keyword: string]: unknown;
}

/** What the API server gives for a field once its defaults are applied. */
export interface Field<T> {
	readonly schema: JsonSchema;
	/** Only for the compiler; never set. */
	readonly of?: T;
}
export type ValueOf<F> = F extends Field<infer T> ? T : never;
export type Fields = Readonly<Record<string, Field<unknown>>>;
export type ObjectOf<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> };

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
	readonly [key: string]: Json | undefined;
}

/** A CEL rule, checked at admission: https://kubernetes.io/docs/reference/using-api/cel/ */
export interface Rule {
	readonly rule: string;
	readonly message: string;
	/** Relative to the object that carries the rule. */
	readonly fieldPath?: string;
}

interface TextOptions {
	readonly default?: string;
	readonly pattern?: string;
	readonly minLength?: number;
	readonly maxLength?: number;
}

const MAX_TEXT = 1024;
const MAX_ITEMS = 100;

export function text(description: string, options: TextOptions = {}): Field<string> {
	return { schema: { type: 'string', description, default: '', maxLength: MAX_TEXT, ...options } };
}

/** The name of an object, or nothing. */
export function objectName(description: string): Field<string> {
	return text(description, { pattern: '^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$', maxLength: 253 });
}

export function whole(description: string, fallback: number, minimum: number, maximum: number): Field<number> {
	return { schema: { type: 'integer', format: 'int32', description, default: fallback, minimum, maximum } };
}

export function flag(description: string, fallback: boolean): Field<boolean> {
	return { schema: { type: 'boolean', description, default: fallback } };
}

export function oneOf<const V extends readonly string[]>(description: string, fallback: V[number], values: V): Field<V[number]> {
	return { schema: { type: 'string', description, default: fallback, enum: values } };
}

export function numberOrPercent(description: string, fallback: number | string): Field<number | string> {
	return { schema: { ...intOrPercent(description), default: fallback } };
}

/** Absent when not set: neither 0 nor empty would say so. */
export function optionalNumberOrPercent(description: string): Field<number | string | undefined> {
	return { schema: intOrPercent(description) };
}

function intOrPercent(description: string): JsonSchema {
	return {
		description,
		'x-kubernetes-int-or-string': true,
		anyOf: [{ type: 'integer' }, { type: 'string' }],
		'x-kubernetes-validations': [
			{
				rule: "type(self) == int ? self >= 0 && self <= 10000 : self.matches('^(100|[1-9]?[0-9])%$')",
				message: 'must be a number from 0, or a percentage such as 25%',
			},
		],
	};
}

export function texts(description: string, item: TextOptions = {}, fallback: readonly string[] = []): Field<readonly string[]> {
	return {
		schema: {
			type: 'array',
			description,
			default: fallback,
			maxItems: MAX_ITEMS,
			items: { type: 'string', maxLength: MAX_TEXT, ...item },
		},
	};
}

export function textMap(description: string, value: TextOptions = {}): Field<Readonly<Record<string, string>>> {
	return { schema: { type: 'object', description, default: {}, additionalProperties: { type: 'string', ...value } } };
}

/** A part of Kubernetes' own API, which the API server checks when the object that carries it is applied. */
export function asInKubernetes(description: string, fallback: JsonObject = {}): Field<JsonObject> {
	return { schema: { ...opaque, description, default: fallback } };
}

export function listAsInKubernetes(description: string): Field<readonly JsonObject[]> {
	return { schema: { type: 'array', description, default: [], maxItems: MAX_ITEMS, items: opaque } };
}

const opaque = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } as const;

/** Given whole even when absent. Its default holds those below it, since the API server checks a default by the rules before it fills it in. */
export function object<F extends Fields>(description: string, fields: F, rules: readonly Rule[] = []): Field<ObjectOf<F>> {
	const defaults = Object.entries(fields).flatMap(([key, { schema }]) => (schema.default === undefined ? [] : [[key, schema.default]]));
	return { schema: { ...objectSchema(description, fields, rules), default: Object.fromEntries(defaults) } };
}

export function objectSchema(description: string, fields: Fields, rules: readonly Rule[] = []): JsonSchema {
	return {
		type: 'object',
		description,
		properties: Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, field.schema])),
		...(rules.length === 0 ? {} : { 'x-kubernetes-validations': rules }),
	};
}

/** Requests or limits: `{ cpu: '1', memory: '512Mi' }`. */
export function quantities(
	description: string,
	fallback: Readonly<Record<string, string>>,
): Field<Readonly<Record<string, string | number>>> {
	const quantity = { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] };
	return { schema: { type: 'object', description, default: fallback, maxProperties: 20, additionalProperties: quantity } };
}
