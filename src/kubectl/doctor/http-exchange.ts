/** One HTTP request on a connection of its own: a balancer may bind a connection to a pod, and a client has several. */
import { randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface Exchange {
	readonly status: number;
	readonly body: string;
	/** `name=value` of each cookie that was set. */
	readonly cookies: readonly string[];
}

interface ExchangeOptions {
	readonly method?: 'GET' | 'POST';
	readonly body?: string;
	readonly cookies?: readonly string[];
}

const TIMEOUT_MS = 10_000;
const MAX_BODY = 2000;

/** Rejects when no whole answer came in time. */
export async function exchange(url: URL, { method = 'GET', body, cookies = [] }: ExchangeOptions = {}): Promise<Exchange> {
	const headers = { ...cookieHeader(cookies), ...(body === undefined ? {} : { 'content-type': 'text/plain;charset=UTF-8' }) };
	const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
	const response = await new Promise<IncomingMessage>((resolve, reject) => {
		send(url, { method, headers, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) }, resolve)
			.once('error', reject)
			.end(body);
	});
	let text = '';
	for await (const chunk of response.setEncoding('utf8')) {
		text += String(chunk);
	}
	return { status: response.statusCode ?? 0, body: text.slice(0, MAX_BODY), cookies: cookiesOf(response) };
}

/** Asks for a WebSocket and closes it again: 101 when it was let through, the status of the refusal otherwise. */
export function askUpgrade(url: URL, cookies: readonly string[]): Promise<number> {
	const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
	const headers = {
		...cookieHeader(cookies),
		Connection: 'Upgrade',
		Upgrade: 'websocket',
		'Sec-WebSocket-Version': '13',
		'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
	};
	return new Promise((resolve, reject) => {
		send(url, { headers, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) })
			.once('error', reject)
			.once('upgrade', (response: IncomingMessage, socket) => {
				socket.destroy();
				resolve(response.statusCode ?? 0);
			})
			.once('response', (response) => {
				response.resume();
				resolve(response.statusCode ?? 0);
			})
			.end();
	});
}

function cookieHeader(cookies: readonly string[]): Record<string, string> {
	return cookies.length === 0 ? {} : { cookie: cookies.join('; ') };
}

function cookiesOf({ headers }: IncomingMessage): readonly string[] {
	return (headers['set-cookie'] ?? []).map((line) => line.split(';')[0] ?? '');
}
