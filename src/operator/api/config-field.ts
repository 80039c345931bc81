/** The part of the spec that holds options of the pod, derived from the one options table. */
import { type Config, OPTION_KEYS, type OptionKey, type OptionSpec, specOf } from '../../config/schema.ts';
import { SET_BY_DEPLOYMENT } from '../../config/set-by-deployment.ts';
import type { Field, JsonSchema, Rule } from './field.ts';

/** Options that a fleet may set; what it does not set has the pod's own default. */
export type FleetConfig = { readonly [K in OptionKey]?: Config[K] };

export const FLEET_OPTIONS: readonly OptionKey[] = OPTION_KEYS.filter((key) => !SET_BY_DEPLOYMENT.has(key));

const RULES: readonly Rule[] = [
	{
		rule: 'has(self.fleet) == has(oldSelf.fleet) && (!has(self.fleet) || self.fleet == oldSelf.fleet)',
		message:
			"can't be changed: the fleet's name is part of its keys in Redis, and old and new pods would be two fleets; make a new SocketFleet",
		fieldPath: '.fleet',
	},
];

export function configField(description: string): Field<FleetConfig> {
	return {
		schema: {
			type: 'object',
			description,
			default: {},
			properties: Object.fromEntries(FLEET_OPTIONS.map((key) => [key, optionSchema(specOf(key))])),
			'x-kubernetes-validations': RULES,
		},
	};
}

function optionSchema(spec: OptionSpec): JsonSchema {
	const fallback = String(spec.default);
	const description = fallback === '' ? spec.doc : `${spec.doc} Default: ${fallback}.`;
	switch (spec.type) {
		case 'string':
			return { type: 'string', description, maxLength: 1024, ...(spec.pattern ? { pattern: spec.pattern.source } : {}) };
		case 'integer':
			return { type: 'integer', format: 'int64', description, minimum: spec.min, maximum: spec.max };
		case 'boolean':
			return { type: 'boolean', description };
		case 'enum':
			return { type: 'string', description, enum: spec.values };
		case 'list':
			return {
				type: 'array',
				description,
				maxItems: 100,
				items: { type: 'string', maxLength: 1024, ...(spec.itemPattern ? { pattern: spec.itemPattern.source } : {}) },
			};
		case 'workers':
			return {
				description,
				'x-kubernetes-int-or-string': true,
				anyOf: [{ type: 'integer' }, { type: 'string' }],
				'x-kubernetes-validations': [
					{
						rule: `type(self) == int ? self >= ${spec.min} && self <= ${spec.max} : self == 'auto'`,
						message: `must be a number from ${spec.min} to ${spec.max}, or auto`,
					},
				],
			};
	}
}
