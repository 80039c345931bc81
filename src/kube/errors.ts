/** What the Kubernetes API answers when it refuses, and which of it matters to whom. */
import { AppError } from '../base/errors.ts';

export type KubeFailure =
	| 'not-found'
	| 'conflict'
	| 'already-exists'
	| 'gone'
	| 'throttled'
	| 'forbidden'
	| 'invalid'
	| 'unreachable'
	| 'other';

export class KubeError extends AppError {
	/** HTTP status; 0 when no answer came. */
	readonly httpStatus: number;
	readonly failure: KubeFailure;
	/** How long the server asks to be left alone. */
	readonly retryAfterMs: number | undefined;

	constructor(
		failure: KubeFailure,
		message: string,
		details: { httpStatus?: number; retryAfterMs?: number | undefined; cause?: unknown } = {},
	) {
		super('ERR_KUBE', message, { cause: details.cause });
		this.failure = failure;
		this.httpStatus = details.httpStatus ?? 0;
		this.retryAfterMs = details.retryAfterMs;
	}
}

/** Shape of a metav1.Status as far as it is read. */
interface StatusBody {
	readonly reason?: string;
	readonly message?: string;
	readonly details?: { readonly retryAfterSeconds?: number };
}

/** From the answer to a request, or from the object of a watch event of type ERROR. */
export function toKubeError(what: string, httpStatus: number, body: unknown, retryAfterHeader?: string): KubeError {
	const { reason, message, details } = typeof body === 'object' && body !== null ? (body as StatusBody) : {};
	const seconds = Number(retryAfterHeader ?? details?.retryAfterSeconds);
	return new KubeError(failureOf(httpStatus, reason), `${what}: ${message ?? `HTTP ${httpStatus}`}`, {
		httpStatus,
		retryAfterMs: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined,
	});
}

function failureOf(httpStatus: number, reason: string | undefined): KubeFailure {
	switch (httpStatus) {
		case 404:
			return 'not-found';
		case 409:
			return reason === 'AlreadyExists' ? 'already-exists' : 'conflict';
		case 410:
			return 'gone';
		case 401:
		case 403:
			return 'forbidden';
		case 400:
		case 422:
			return 'invalid';
		case 429:
			return 'throttled';
		default:
			return 'other';
	}
}

export function isFailure(error: unknown, ...failures: readonly KubeFailure[]): error is KubeError {
	return error instanceof KubeError && failures.includes(error.failure);
}
