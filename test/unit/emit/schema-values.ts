/** Values made from a JSON Schema, the same for the same seed: valid ones, and ones with one thing wrong. */

export interface Schema {
	readonly type?: string;
	readonly enum?: readonly unknown[];
	readonly const?: unknown;
	readonly items?: Schema;
	readonly properties?: Readonly<Record<string, Schema>>;
	readonly required?: readonly string[];
	readonly oneOf?: readonly { readonly required: readonly string[] }[];
	readonly pattern?: string;
	readonly minLength?: number;
	readonly minItems?: number;
}

type Random = () => number;

const TEXTS = ['a', 'lobby', 'ř', '🐎', '"quoted"', '\\', '\n', '\u0000', '__proto__', 'constructor', '{"$binary":1}', '0-0', ' '];

/** A value that the schema allows. */
export function buildValue(schema: Schema, random: Random): unknown {
	if (schema.const !== undefined) {
		return schema.const;
	}
	switch (schema.type) {
		case 'string':
			return buildText(schema, random);
		case 'boolean':
			return random() < 0.5;
		case 'array':
			return Array.from({ length: (schema.minItems ?? 0) + Math.floor(random() * 3) }, () =>
				schema.items ? buildValue(schema.items, random) : buildAnything(random, 3),
			);
		case 'object':
			return buildObject(schema, random);
		default:
			return buildAnything(random, 3);
	}
}

function buildText({ pattern, minLength = 0 }: Schema, random: Random): string {
	if (pattern === '^/') {
		return random() < 0.5 ? '/' : `/${pick(TEXTS, random)}`;
	}
	if (pattern !== undefined) {
		return `key-${Math.floor(random() * 1e6)}`;
	}
	return minLength === 0 && random() < 0.1 ? '' : `${pick(TEXTS, random)}${pick(TEXTS, random)}`;
}

function buildObject(schema: Schema, random: Random): Record<string, unknown> {
	const choices = schema.oneOf?.flatMap(({ required }) => required) ?? [];
	const chosen = choices.length > 0 ? pick(choices, random) : undefined;
	const value: Record<string, unknown> = {};
	for (const [name, inner] of Object.entries(schema.properties ?? {})) {
		const excluded = choices.includes(name) && name !== chosen;
		if (!excluded && (name === chosen || schema.required?.includes(name) || random() < 0.5)) {
			value[name] = buildValue(inner, random);
		}
	}
	return value;
}

function buildAnything(random: Random, depth: number): unknown {
	const kind = Math.floor(random() * (depth > 0 ? 7 : 5));
	const leaves = [null, random() < 0.5, (random() - 0.5) * 1e9, pick(TEXTS, random), Math.floor(random() * 10)];
	if (kind < leaves.length) {
		return leaves[kind];
	}
	const items = Array.from({ length: Math.floor(random() * 4) }, () => buildAnything(random, depth - 1));
	return kind === 5 ? items : Object.fromEntries(items.map((item, index) => [`key${index}`, item]));
}

/** The same request with one of its fields made wrong, or a field more; `pointer` names it. */
export function spoil(
	schema: Schema,
	value: Record<string, unknown>,
	random: Random,
): { readonly value: unknown; readonly pointer: string } {
	const names = Object.keys(schema.properties ?? {});
	const name = pick([...names, 'unknown field/~'], random);
	const wrong = { string: 7, boolean: 'yes', array: { length: 1 }, object: 'text' }[schema.properties?.[name]?.type ?? 'string'];
	return { value: { ...value, [name]: wrong ?? null }, pointer: `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}` };
}

function pick<T>(list: readonly T[], random: Random): T {
	return list[Math.floor(random() * list.length)] as T;
}
