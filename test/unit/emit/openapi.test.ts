/** The OpenAPI document: whole in itself, and true of the schemas that validate. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { buildOpenApi } from '../../../src/emit/openapi.ts';

interface Operation {
	readonly operationId: string;
	readonly summary: string;
	readonly responses: Readonly<Record<string, { readonly description: string }>>;
	readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: object; readonly description: string }[];
}

interface Document {
	readonly openapi: string;
	readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
	readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

const document = buildOpenApi() as Document;
const operations = Object.values(document.paths).flatMap((path) => Object.values(path));

test('every reference leads to a schema, every schema is used, and all of them compile', () => {
	const used = new Set([...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name));
	assert.deepEqual(used, new Set(Object.keys(document.components.schemas)));
	const ajv = new Ajv2020({ strict: true, strictRequired: false, formats: { 'date-time': true } });
	for (const schema of Object.values(document.components.schemas)) {
		ajv.compile(schema);
	}
});

test('every operation has a name of its own, a summary, described answers and described parameters', () => {
	assert.equal(document.openapi, '3.1.0');
	assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length);
	for (const { summary, responses, parameters = [] } of operations) {
		assert.ok(summary);
		assert.ok(Object.keys(responses).some((status) => status.startsWith('2')));
		assert.ok(Object.values(responses).every(({ description }) => description));
		assert.ok(parameters.every(({ name, in: where, schema, description }) => name && where === 'query' && schema && description));
	}
});
