/** Sends messages to a fleet's emit API. The client half of http.ts. */
import { sleep } from '../base/deadline.ts';
import { AppError, ERROR_TABLE, type ErrorCode, messageOf } from '../base/errors.ts';
import type { Receipt } from '../stream/append.ts';
import type { EmitMessage } from './schema.ts';

/** What `socketfleet emit` sends through: an emitter, or the HTTP API. */
export interface Sender {
	/** All of them, in this order, or none. */
	batch(messages: readonly EmitMessage[]): Promise<readonly Receipt[]>;
	close(): Promise<void>;
}

export interface HttpSenderOptions {
	/** Base address of the API. */
	readonly url: string;
	readonly token: string;
	readonly timeoutMs: number;
}

/** The limit of a token refills every second: this many waits are patience enough. */
const MAX_RATE_WAITS = 20;

export function createHttpSender({ url, token, timeoutMs }: HttpSenderOptions): Sender {
	const endpoint = new URL('/emit', url);
	const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
	return {
		async batch(messages) {
			const body = JSON.stringify({ messages });
			for (let waits = 0; ; waits++) {
				const response = await post(endpoint, headers, body, timeoutMs);
				const answer = await readAnswer(response);
				if (response.status === ERROR_TABLE.ERR_RATE.status && waits < MAX_RATE_WAITS) {
					await sleep(Number(response.headers.get('retry-after') ?? 1) * 1000);
					continue;
				}
				return receiptsOf(response, answer);
			}
		},
		close: () => Promise.resolve(),
	};
}

async function post(endpoint: URL, headers: Record<string, string>, body: string, timeoutMs: number): Promise<Response> {
	try {
		return await fetch(endpoint, { method: 'POST', headers, body, signal: AbortSignal.timeout(timeoutMs) });
	} catch (error) {
		const why = error instanceof Error && error.cause instanceof Error ? error.cause.message : messageOf(error);
		throw new AppError('ERR_UNREACHABLE', `no answer from ${endpoint.href}: ${why}`, { cause: error });
	}
}

async function readAnswer(response: Response): Promise<Record<string, unknown>> {
	try {
		const answer: unknown = await response.json();
		return typeof answer === 'object' && answer !== null ? { ...answer } : {};
	} catch {
		// A proxy in between answers with a page of its own; the status says enough.
		return {};
	}
}

function receiptsOf(response: Response, answer: Record<string, unknown>): readonly Receipt[] {
	if (response.ok && Array.isArray(answer.receipts)) {
		return answer.receipts as readonly Receipt[];
	}
	const detail = typeof answer.detail === 'string' ? answer.detail : `${response.url} answered ${response.status} ${response.statusText}`;
	throw new AppError(codeOf(answer.code, response.status), detail);
}

function codeOf(code: unknown, status: number): ErrorCode {
	if (typeof code === 'string' && Object.hasOwn(ERROR_TABLE, code)) {
		return code as ErrorCode;
	}
	return status >= 500 ? 'ERR_UNREACHABLE' : 'ERR_VALIDATION';
}
