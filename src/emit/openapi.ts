/** The OpenAPI 3.1 document of the emit API, from the schemas that validate. Pure. */
import { DISCONNECT_REQUEST, EMIT_BATCH, EMIT_MESSAGE, PRESENCE_QUERY, RESPONSES, ROOMS_REQUEST, SOCKETS_QUERY } from './schema.ts';

/** Of the API, not of the package: it changes when the API does. */
const API_VERSION = '1.0.0';

const STATUS_TEXTS = {
	400: 'Not valid; `errors` names each field.',
	401: 'No valid token.',
	403: 'The token does not cover this; `scope` says what it lacks.',
	404: 'No such namespace.',
	405: 'Wrong method.',
	409: 'An idempotency key was used with other content. Nothing was written.',
	413: 'Too large.',
	429: 'Too many messages for this token.',
	503: 'Redis is away. `code` ERR_REDIS: nothing was written. ERR_UNREACHABLE: Redis did not say; repeat with the same idempotency key.',
	504: 'The fleet did not answer in time.',
} as const;

const RATE_HEADERS = {
	RateLimit: { description: 'What is left of the second.', schema: { type: 'string' } },
	'RateLimit-Policy': { description: 'Messages a second that the token may send through one worker.', schema: { type: 'string' } },
} as const;
const RETRY_AFTER = { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' } } } as const;

export function buildOpenApi(): object {
	return {
		openapi: '3.1.0',
		info: {
			title: 'Socketfleet emit API',
			version: API_VERSION,
			summary: 'Reaches the clients of a fleet from processes that run no Socket.IO server.',
			license: { name: 'MIT', identifier: 'MIT' },
		},
		servers: [{ url: '/', description: 'Port 9466 of any pod.' }],
		security: [{ token: [] }],
		tags: [
			{ name: 'write', description: 'Reach clients.' },
			{ name: 'read', description: 'Ask about clients.' },
		],
		paths: {
			'/emit': { post: buildWrite('emit', 'Emit an event, or several', { oneOf: [refTo('EmitMessage'), refTo('EmitBatch')] }) },
			'/rooms': { post: buildWrite('changeRooms', 'Make clients join or leave rooms', refTo('RoomsRequest')) },
			'/disconnect': { post: buildWrite('disconnect', 'Disconnect clients', refTo('DisconnectRequest')) },
			'/sockets': { get: buildRead('listSockets', 'List sockets, page by page', SOCKETS_QUERY, 'SocketsPage') },
			'/presence': { get: buildRead('countPresence', 'Count sockets, by room', PRESENCE_QUERY, 'Presence') },
			'/openapi.json': { get: buildDocumentOperation() },
		},
		components: {
			securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
			schemas: {
				EmitMessage: EMIT_MESSAGE,
				EmitBatch: EMIT_BATCH,
				RoomsRequest: ROOMS_REQUEST,
				DisconnectRequest: DISCONNECT_REQUEST,
				...RESPONSES,
			},
		},
	};
}

/** The file `docs/reference/openapi.json`. */
export function renderOpenApi(): string {
	return `${JSON.stringify(buildOpenApi(), undefined, '\t')}\n`;
}

function buildWrite(operationId: string, summary: string, schema: object): object {
	const accepted = {
		description: 'It is in Redis: every client that is there gets it, and one that is away can recover it.',
		headers: RATE_HEADERS,
		content: { 'application/json': { schema: { oneOf: [refTo('Receipt'), refTo('Receipts')] } } },
	};
	return {
		operationId,
		summary,
		tags: ['write'],
		requestBody: { required: true, content: { 'application/json': { schema } } },
		responses: { 202: accepted, ...buildProblems([400, 401, 403, 405, 409, 413, 429, 503]) },
	};
}

function buildRead(operationId: string, summary: string, query: typeof SOCKETS_QUERY | typeof PRESENCE_QUERY, response: string): object {
	return {
		operationId,
		summary,
		tags: ['read'],
		parameters: Object.entries(query.properties).map(([name, { description, ...schema }]) => ({ name, in: 'query', description, schema })),
		responses: {
			200: { description: 'What the workers that answered have.', content: { 'application/json': { schema: refTo(response) } } },
			...buildProblems([400, 401, 403, 404, 405, 429, 503, 504]),
		},
	};
}

function buildDocumentOperation(): object {
	return {
		operationId: 'getDocument',
		summary: 'This document',
		tags: ['read'],
		security: [],
		responses: {
			200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: { type: 'object' } } } },
			...buildProblems([405]),
		},
	};
}

function buildProblems(statuses: readonly (keyof typeof STATUS_TEXTS)[]): object {
	return Object.fromEntries(
		statuses.map((status) => [
			status,
			{
				description: STATUS_TEXTS[status],
				...(status === 429 || status === 503 ? { headers: RETRY_AFTER } : {}),
				content: { 'application/problem+json': { schema: refTo('Problem') } },
			},
		]),
	);
}

function refTo(schema: string): object {
	return { $ref: `#/components/schemas/${schema}` };
}
