/** The emit API over HTTP: one listener for `http.createServer`. Knows Redis and Socket.IO only by what it is given. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { EmitterEntry, Receipt } from '../redis/entry-writer.ts';
import { type Answer, failure, invalid, json, problem, send } from './answer.ts';
import { readJson } from './body.ts';
import { type Built, buildBatch, buildDisconnect, buildEmit, buildRoomsChange } from './message.ts';
import { buildOpenApi } from './openapi.ts';
import { answerPresence, answerSockets, type SocketLister } from './queries.ts';
import { RateLimiter } from './rate.ts';
import { authenticate, findDenial, type Token, type Verb } from './tokens.ts';

/** Where entries go: the writer of the fleet's stream, or the pod itself when there is no Redis. */
export interface EntrySink {
	write(entries: readonly EmitterEntry[]): Promise<readonly Receipt[]>;
}

export interface ApiDeps {
	readonly sink: EntrySink;
	readonly sockets: SocketLister;
	/** The tokens that count now. */
	readonly tokens: () => readonly Token[];
	readonly maxBodyBytes: number;
	readonly metrics: Metrics;
	readonly log: Logger;
}

type Route =
	| { readonly verb: Verb; readonly method: 'POST'; readonly build: (body: unknown) => Built }
	| {
			readonly verb: 'read';
			readonly method: 'GET';
			readonly answer: (deps: ApiDeps, token: Token, query: URLSearchParams) => Promise<Answer>;
	  };

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
	['/emit', { verb: 'emit', method: 'POST', build: buildEmitOrBatch }],
	['/rooms', { verb: 'rooms', method: 'POST', build: buildRoomsChange }],
	['/disconnect', { verb: 'disconnect', method: 'POST', build: buildDisconnect }],
	['/sockets', { verb: 'read', method: 'GET', answer: (deps, token, query) => answerSockets(deps.sockets, token, query) }],
	['/presence', { verb: 'read', method: 'GET', answer: (deps, token, query) => answerPresence(deps.sockets, token, query) }],
]);
const DOCUMENT_PATH = '/openapi.json';

export function createApiListener(deps: ApiDeps): (req: IncomingMessage, res: ServerResponse) => void {
	const limiter = new RateLimiter();
	const document = json(200, buildOpenApi());
	return (req, res) => {
		const target = req.url ?? '/';
		const mark = target.indexOf('?');
		const path = mark < 0 ? target : target.slice(0, mark);
		if (path === DOCUMENT_PATH) {
			send(res, document);
			return;
		}
		const route = ROUTES.get(path);
		const query = mark < 0 ? '' : target.slice(mark + 1);
		const finish = (answer: Answer | undefined): void => {
			deps.metrics.inc('socketfleet_emit_requests_total', { route: route ? path : 'other', status: String(answer?.status ?? 'gone') }, 1);
			if (answer && !res.destroyed) {
				send(res, answer);
			}
		};
		handle(deps, limiter, req, route, query).then(finish, (error: unknown) => finish(onFailure(deps, path, error)));
	};
}

function onFailure({ log }: ApiDeps, path: string, error: unknown): Answer {
	const answer = failure(error);
	if (answer.status >= 500) {
		log.warn({ path, err: error instanceof AppError ? error.message : describeDefect(error) }, 'request to the emit API failed');
	}
	return answer;
}

function describeDefect(error: unknown): string | undefined {
	return error instanceof Error ? error.stack : String(error);
}

async function handle(
	deps: ApiDeps,
	limiter: RateLimiter,
	req: IncomingMessage,
	route: Route | undefined,
	query: string,
): Promise<Answer | undefined> {
	const authentication = authenticate(req.headers.authorization, deps.tokens(), Date.now());
	if (authentication.kind === 'refused') {
		return problem('ERR_UNAUTHORIZED', authentication.detail, {}, { 'www-authenticate': 'Bearer realm="socketfleet"' });
	}
	if (route === undefined) {
		return problem('ERR_NOT_FOUND', `there are ${[...ROUTES.keys()].join(', ')} and ${DOCUMENT_PATH}`);
	}
	if (req.method !== route.method) {
		return problem('ERR_METHOD', `use ${route.method}`, {}, { allow: route.method });
	}
	const { token } = authentication;
	const denial = findDenial(token, route.verb, []);
	if (denial) {
		return problem('ERR_FORBIDDEN', denial.detail, { scope: denial.scope });
	}
	return route.method === 'GET'
		? await route.answer(deps, token, new URLSearchParams(query))
		: await write(deps, limiter, req, route, token);
}

async function write(
	deps: ApiDeps,
	limiter: RateLimiter,
	req: IncomingMessage,
	route: Route & { method: 'POST' },
	token: Token,
): Promise<Answer | undefined> {
	const body = await readJson(req, deps.maxBodyBytes);
	switch (body.kind) {
		case 'gone':
			return undefined;
		case 'too-large':
			// Some of it may still be coming.
			return problem('ERR_TOO_LARGE', `the body is larger than ${deps.maxBodyBytes} bytes`, {}, { connection: 'close' });
		case 'invalid':
			return invalid([{ pointer: body.pointer, detail: body.detail }]);
		case 'json':
			return await writeBuilt(deps, limiter, route, token, route.build(body.value), isBatch(body.value));
	}
}

async function writeBuilt(deps: ApiDeps, limiter: RateLimiter, route: Route, token: Token, built: Built, batch: boolean): Promise<Answer> {
	if (built.kind === 'invalid') {
		return invalid(built.problems);
	}
	const denial = findDenial(token, route.verb, built.reaches);
	if (denial) {
		return problem('ERR_FORBIDDEN', denial.detail, { scope: denial.scope });
	}
	const count = built.entries.length;
	const taken = limiter.take(token.name, count, token.ratePerSecond, performance.now());
	if (taken.kind === 'never') {
		return problem('ERR_TOO_LARGE', `a request of ${count} messages never fits the token's ${taken.capacity} messages a second`);
	}
	const headers: Record<string, string> = {
		// draft-ietf-httpapi-ratelimit-headers
		'ratelimit-policy': `"messages";q=${token.ratePerSecond};w=1`,
		ratelimit: `"messages";r=${taken.remaining};t=1`,
	};
	if (taken.kind === 'wait') {
		const seconds = String(Math.ceil(taken.afterMs / 1000));
		return problem(
			'ERR_RATE',
			`token "${token.name}" may send ${token.ratePerSecond} messages a second`,
			{},
			{ ...headers, 'retry-after': seconds },
		);
	}
	const receipts = await deliver(deps, built.entries);
	return json(202, batch || receipts.length !== 1 ? { receipts } : { ...receipts[0] }, headers);
}

async function deliver({ sink, metrics }: ApiDeps, entries: readonly EmitterEntry[]): Promise<readonly Receipt[]> {
	try {
		const receipts = await sink.write(entries);
		const duplicates = receipts.filter(({ duplicate }) => duplicate).length;
		metrics.inc('socketfleet_emit_messages_total', { result: 'duplicate' }, duplicates);
		metrics.inc('socketfleet_emit_messages_total', { result: 'written' }, entries.length - duplicates);
		return receipts;
	} catch (error) {
		metrics.inc('socketfleet_emit_messages_total', { result: 'failed' }, entries.length);
		throw error;
	}
}

function buildEmitOrBatch(body: unknown): Built {
	return isBatch(body) ? buildBatch(body) : buildEmit(body);
}

function isBatch(body: unknown): boolean {
	return typeof body === 'object' && body !== null && 'messages' in body;
}
