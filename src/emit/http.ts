/** The emit API over HTTP: one listener for `http.createServer`. Knows Redis and Socket.IO only by what it is given. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { EmitterEntry, Receipt } from '../stream/append.ts';
import { type Answer, failure, invalid, json, problem, send } from './answer.ts';
import { readJson } from './body.ts';
import { type Built, buildBatch, buildDisconnect, buildEmit, buildRoomsChange } from './message.ts';
import { buildOpenApi } from './openapi.ts';
import { answerPresence, answerSockets, type SocketLister } from './queries.ts';
import { RateLimiter } from './rate.ts';
import { authenticate, type Denial, findDenial, type Token, type Verb } from './tokens.ts';

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

interface WriteRoute {
	readonly verb: Verb;
	readonly method: 'POST';
	readonly build: (body: unknown) => Built;
}

interface ReadRoute {
	readonly verb: 'read';
	readonly method: 'GET';
	readonly answer: (deps: ApiDeps, token: Token, query: URLSearchParams) => Promise<Answer>;
}

type Route = WriteRoute | ReadRoute;

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
	['/emit', { verb: 'emit', method: 'POST', build: buildEmitOrBatch }],
	['/rooms', { verb: 'rooms', method: 'POST', build: buildRoomsChange }],
	['/disconnect', { verb: 'disconnect', method: 'POST', build: buildDisconnect }],
	['/sockets', { verb: 'read', method: 'GET', answer: (deps, token, query) => answerSockets(deps.sockets, token, query) }],
	['/presence', { verb: 'read', method: 'GET', answer: (deps, token, query) => answerPresence(deps.sockets, token, query) }],
]);
const DOCUMENT_PATH = '/openapi.json';

export function createApiListener(deps: ApiDeps): (req: IncomingMessage, res: ServerResponse) => void {
	const api = new EmitApi(deps);
	const document = json(200, buildOpenApi());
	return (req, res) => {
		const target = req.url ?? '/';
		const mark = target.indexOf('?');
		const path = mark < 0 ? target : target.slice(0, mark);
		if (path === DOCUMENT_PATH) {
			send(res, req.method === 'GET' ? document : problem('ERR_METHOD', 'use GET', {}, { allow: 'GET' }));
			return;
		}
		const route = ROUTES.get(path);
		const finish = (answer: Answer | undefined): void => {
			deps.metrics.inc('socketfleet_emit_requests_total', { route: route ? path : 'other', status: String(answer?.status ?? 'gone') }, 1);
			if (answer && !res.destroyed) {
				send(res, answer);
			}
		};
		const query = mark < 0 ? '' : target.slice(mark + 1);
		api.handle(req, route, query).then(finish, (error: unknown) => finish(describeFailure(deps.log, path, error)));
	};
}

function describeFailure(log: Logger, path: string, error: unknown): Answer {
	const answer = failure(error);
	if (answer.status >= 500) {
		// Of an error that was foreseen the message says it all; of a defect only the stack does.
		const err = error instanceof Error && !(error instanceof AppError) ? error.stack : messageOf(error);
		log.warn({ path, err }, 'request to the emit API failed');
	}
	return answer;
}

/** An answer, or undefined when the client has gone. */
type Outcome = Promise<Answer | undefined>;
type Headers = Readonly<Record<string, string>>;

class EmitApi {
	readonly #deps: ApiDeps;
	readonly #limiter = new RateLimiter();

	constructor(deps: ApiDeps) {
		this.#deps = deps;
	}

	async handle(req: IncomingMessage, route: Route | undefined, query: string): Outcome {
		const authentication = authenticate(req.headers.authorization, this.#deps.tokens(), Date.now());
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
			return forbidden(denial);
		}
		return route.method === 'GET' ? await this.#read(route, token, query) : await this.#receive(req, route, token);
	}

	async #read(route: ReadRoute, token: Token, query: string): Outcome {
		const rate = this.#takeRate(token, 1);
		return 'refusal' in rate ? rate.refusal : await route.answer(this.#deps, token, new URLSearchParams(query));
	}

	async #receive(req: IncomingMessage, route: WriteRoute, token: Token): Outcome {
		const { maxBodyBytes } = this.#deps;
		const body = await readJson(req, maxBodyBytes);
		switch (body.kind) {
			case 'gone':
				return undefined;
			case 'too-large':
				// Some of it may still be coming.
				return problem('ERR_TOO_LARGE', `the body is larger than ${maxBodyBytes} bytes`, {}, { connection: 'close' });
			case 'invalid':
				return invalid([{ pointer: body.pointer, detail: body.detail }]);
			case 'json':
				return await this.#write(route, token, body.value);
		}
	}

	async #write(route: WriteRoute, token: Token, body: unknown): Outcome {
		const built = route.build(body);
		if (built.kind === 'invalid') {
			return invalid(built.problems);
		}
		const denial = findDenial(token, route.verb, built.reaches);
		if (denial) {
			return forbidden(denial);
		}
		const rate = this.#takeRate(token, built.entries.length);
		if ('refusal' in rate) {
			return rate.refusal;
		}
		const receipts = await this.#deliver(built.entries);
		return json(202, isBatch(body) || receipts.length !== 1 ? { receipts } : { ...receipts[0] }, rate.headers);
	}

	/** A request that only asks counts as one message. */
	#takeRate({ name, ratePerSecond }: Token, count: number): { readonly headers: Headers } | { readonly refusal: Answer } {
		const taken = this.#limiter.take(name, count, ratePerSecond, performance.now());
		if (taken.kind === 'never') {
			return {
				refusal: problem('ERR_TOO_LARGE', `a request of ${count} messages never fits the token's ${ratePerSecond} messages a second`),
			};
		}
		const headers = {
			// draft-ietf-httpapi-ratelimit-headers
			'ratelimit-policy': `"messages";q=${ratePerSecond};w=1`,
			ratelimit: `"messages";r=${taken.remaining};t=1`,
		};
		if (taken.kind === 'taken') {
			return { headers };
		}
		const retry = { ...headers, 'retry-after': String(Math.ceil(taken.afterMs / 1000)) };
		return { refusal: problem('ERR_RATE', `token "${name}" may send ${ratePerSecond} messages a second`, {}, retry) };
	}

	async #deliver(entries: readonly EmitterEntry[]): Promise<readonly Receipt[]> {
		const { sink, metrics } = this.#deps;
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
}

function forbidden({ detail, scope }: Denial): Answer {
	return problem('ERR_FORBIDDEN', detail, { scope });
}

function buildEmitOrBatch(body: unknown): Built {
	return isBatch(body) ? buildBatch(body) : buildEmit(body);
}

function isBatch(body: unknown): boolean {
	return typeof body === 'object' && body !== null && 'messages' in body;
}
