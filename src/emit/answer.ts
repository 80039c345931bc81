/** Answers of the emit API as values: JSON, or a problem (RFC 9457). */
import type { ServerResponse } from 'node:http';
import { AppError, ERROR_TABLE, type ErrorCode } from '../base/errors.ts';
import { type Problem, sentenceOf } from './validate.ts';

export interface Answer {
	readonly status: number;
	readonly body: object;
	readonly contentType: string;
	readonly headers: Readonly<Record<string, string>>;
}

export interface ProblemExtras {
	readonly errors?: readonly Problem[];
	/** What the token lacks. */
	readonly scope?: string;
}

const TITLES: Partial<Record<ErrorCode, string>> = {
	ERR_VALIDATION: 'The request is not valid',
	ERR_UNAUTHORIZED: 'No valid token',
	ERR_FORBIDDEN: 'The token does not cover this',
	ERR_NOT_FOUND: 'There is no such thing',
	ERR_METHOD: 'Wrong method',
	ERR_CONFLICT: 'The idempotency key was used before',
	ERR_TOO_LARGE: 'Too large',
	ERR_RATE: 'Too many messages',
	ERR_REDIS: 'Not written',
	ERR_UNREACHABLE: 'Written or not, Redis did not say',
};

/** Redis is usually back within a failover. */
const RETRY_AFTER_SECONDS = '1';

export function json(status: number, body: object, headers: Record<string, string> = {}): Answer {
	return { status, body, contentType: 'application/json', headers };
}

export function problem(code: ErrorCode, detail: string, extras: ProblemExtras = {}, headers: Record<string, string> = {}): Answer {
	const { status } = ERROR_TABLE[code];
	const retry: Record<string, string> = status === 503 ? { 'retry-after': RETRY_AFTER_SECONDS } : {};
	const body = { type: 'about:blank', title: TITLES[code] ?? 'The request failed', status, detail, code, ...extras };
	return { status, body, contentType: 'application/problem+json', headers: { ...retry, ...headers } };
}

export function invalid(problems: readonly Problem[]): Answer {
	return problem('ERR_VALIDATION', sentenceOf(problems), { errors: problems });
}

/** A failure that its thrower described; anything else is a defect, and its text stays in the log. */
export function failure(thrown: unknown): Answer {
	return thrown instanceof AppError
		? problem(thrown.code, thrown.message)
		: problem('ERR_UNEXPECTED', 'the server failed; its log says why');
}

export function send(res: ServerResponse, { status, body, contentType, headers }: Answer): void {
	const text = JSON.stringify(body);
	res.writeHead(status, {
		'content-type': contentType,
		'content-length': Buffer.byteLength(text),
		'cache-control': 'no-store',
		...headers,
	});
	res.end(text);
}
