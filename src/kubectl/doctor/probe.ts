/**
 * Opens sessions at a public address as clients do, and sees where they land. A session id names the pod that took the handshake. Nothing
 * of the application runs: the sessions join no namespace, and are closed at once.
 */
import { messageOf } from '../../base/errors.ts';
import { parseSessionId } from '../../net/session-id.ts';
import { askUpgrade, type Exchange, exchange } from './http-exchange.ts';

export interface RouteProbe {
	readonly url: string;
	/** Why no session could be opened; then nothing else was tried. */
	readonly failure: string | undefined;
	/** Names of the cookies that the first answer set. */
	readonly cookies: readonly string[];
	/** Ids of the pods that handshakes without a cookie came to. */
	readonly withoutCookie: readonly string[];
	/** The same with the cookies of the first answer, that one included; empty when it set none. */
	readonly withCookie: readonly string[];
	/** Answers to further requests of sessions, with and without cookies, that were no good ones. */
	readonly refusals: readonly string[];
	/** `done`, or what was answered; undefined when the fleet has no WebSocket. */
	readonly upgrade: string | undefined;
}

export interface ProbeOptions {
	/** With the path of the fleet's Socket.IO endpoint. */
	readonly url: string;
	readonly transports: readonly string[];
}

/** With two pods at random, that all of them agree by chance happens once in five hundred. */
const HANDSHAKES = 10;
/** Engine.IO packets: one that means nothing, and the end of the session. */
const NOOP = '6';
const CLOSE = '1';

interface Opened {
	readonly id: string;
	readonly pod: string;
	readonly cookies: readonly string[];
}

/** Never throws: what goes wrong is what it is there to find. */
export async function probeRoute({ url, transports }: ProbeOptions): Promise<RouteProbe> {
	const nothing = { url, failure: undefined, cookies: [], withoutCookie: [], withCookie: [], refusals: [], upgrade: undefined };
	try {
		if (!transports.includes('polling')) {
			return { ...nothing, upgrade: await upgrade(url, undefined, []) };
		}
		return { ...nothing, ...(await probePolling(url, transports.includes('websocket'))) };
	} catch (error) {
		return { ...nothing, failure: reasonOf(error) };
	}
}

async function probePolling(url: string, hasWebSocket: boolean): Promise<Partial<RouteProbe>> {
	const first = await open(url, []);
	const without = [first];
	const kept = [first];
	while (without.length < HANDSHAKES) {
		without.push(await open(url, []));
	}
	while (first.cookies.length > 0 && kept.length < HANDSHAKES) {
		kept.push(await open(url, first.cookies));
	}
	const sessions = [...new Set([...without, ...kept])];
	const answers = await Promise.all(sessions.map((session) => pokeTwice(url, session, first.cookies)));
	const upgraded = hasWebSocket ? await upgrade(url, first.id, first.cookies) : undefined;
	await Promise.all(sessions.map(({ id }) => exchange(sessionUrl(url, 'polling', id), { method: 'POST', body: CLOSE })));
	return {
		cookies: first.cookies.map((cookie) => cookie.split('=')[0] ?? ''),
		withoutCookie: without.map(({ pod }) => pod),
		withCookie: first.cookies.length > 0 ? kept.map(({ pod }) => pod) : [],
		refusals: answers.flat().filter((answer) => answer !== ''),
		upgrade: upgraded,
	};
}

async function open(url: string, cookies: readonly string[]): Promise<Opened> {
	const answer = await exchange(sessionUrl(url, 'polling'), { cookies });
	const id = answer.status === 200 ? /"sid":"([^"]+)"/.exec(answer.body)?.[1] : undefined;
	if (id === undefined) {
		throw new Error(`a handshake was answered ${describe(answer)}`);
	}
	return { id, pod: parseSessionId(id)?.pod ?? id, cookies: answer.cookies };
}

/** With what a client that keeps cookies sends, and then with what one sends that keeps none: Engine.IO ends a session that sends two at once. */
async function pokeTwice(url: string, session: Opened, cookies: readonly string[]): Promise<readonly string[]> {
	return [await poke(url, session, cookies), await poke(url, session, [])];
}

/** Empty when the session took it. */
async function poke(url: string, { id }: Opened, cookies: readonly string[]): Promise<string> {
	const answer = await exchange(sessionUrl(url, 'polling', id), { method: 'POST', body: NOOP, cookies });
	return answer.status === 200 ? '' : describe(answer);
}

async function upgrade(url: string, id: string | undefined, cookies: readonly string[]): Promise<string> {
	const status = await askUpgrade(sessionUrl(url, 'websocket', id), cookies);
	return status === 101 ? 'done' : String(status);
}

function sessionUrl(url: string, transport: 'polling' | 'websocket', id?: string): URL {
	const query = new URLSearchParams({ EIO: '4', transport, ...(id === undefined ? {} : { sid: id }) });
	return new URL(`?${query.toString()}`, url);
}

function describe({ status, body }: Exchange): string {
	return `${status} ${body.replaceAll(/\s+/g, ' ').slice(0, 100)}`.trim();
}

/** Of an AggregateError, as for a name with several addresses, the first. */
function reasonOf(error: unknown): string {
	return error instanceof AggregateError && error.message === '' ? messageOf(error.errors[0]) : messageOf(error);
}
