/** The one error class and the one code table: what a user sees, which HTTP status and which exit code go with it. */

interface ErrorRow {
	readonly status: number;
	readonly exitCode: number;
	/** What happened, for `docs/reference/errors.md`. */
	readonly doc: string;
}

/** Codes are never reused. `status` is used when the error crosses HTTP, `exitCode` when it ends a process. */
export const ERROR_TABLE = {
	ERR_USAGE: { status: 400, exitCode: 2, doc: 'The command line is wrong: unknown command, missing argument, malformed flag.' },
	ERR_CONFIG: { status: 500, exitCode: 3, doc: 'The configuration is wrong. The message lists every problem.' },
	ERR_APP: { status: 500, exitCode: 4, doc: "The application's module can't be loaded, exports no application, or its setup failed." },
	ERR_PORT: { status: 500, exitCode: 5, doc: 'A port or socket file is in use or may not be opened.' },
	ERR_UNEXPECTED: { status: 500, exitCode: 6, doc: 'A bug, in Socketfleet or in the application: please report what the log says.' },
	ERR_DRAIN_TIMEOUT: { status: 500, exitCode: 7, doc: 'The drain did not end in time; what was left was cut off.' },
	ERR_UNREACHABLE: { status: 503, exitCode: 8, doc: 'The pod, API or server that was called does not answer.' },
	ERR_DEADLINE: { status: 504, exitCode: 8, doc: 'Something took longer than it may.' },
	ERR_REDIS: { status: 503, exitCode: 8, doc: 'Redis is away, refuses, or answers what it should not.' },
	ERR_VALIDATION: { status: 400, exitCode: 2, doc: 'A request or message is malformed. The message names the field.' },
	ERR_UNAUTHORIZED: { status: 401, exitCode: 9, doc: 'No token, or not a valid one.' },
	ERR_FORBIDDEN: { status: 403, exitCode: 9, doc: 'The token is valid and its scope does not allow this.' },
	ERR_CONFLICT: {
		status: 409,
		exitCode: 2,
		doc: 'It contradicts what was asked for before, as an idempotency key that is used for something else.',
	},
	ERR_TOO_LARGE: { status: 413, exitCode: 2, doc: 'A request or message is larger than the limit.' },
	ERR_RATE: { status: 429, exitCode: 8, doc: 'More than the rate that is allowed; try again later.' },
	ERR_KUBE: { status: 502, exitCode: 8, doc: 'The Kubernetes API refuses, does not answer, or is not configured.' },
	ERR_NOT_FOUND: { status: 404, exitCode: 2, doc: 'There is no such thing.' },
	ERR_UNHEALTHY: { status: 500, exitCode: 10, doc: '`kubectl socketfleet doctor` found something that is an error.' },
	ERR_METHOD: { status: 405, exitCode: 2, doc: 'The address is right, the HTTP method is not.' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERROR_TABLE;

/** An error whose message is written for the person who reads it: what was wrong, where, what to do. */
export class AppError extends Error {
	override readonly name = 'AppError';
	readonly code: ErrorCode;

	constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
		super(message, options);
		this.code = code;
	}

	get status(): number {
		return ERROR_TABLE[this.code].status;
	}

	get exitCode(): number {
		return ERROR_TABLE[this.code].exitCode;
	}
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
	if (thrown instanceof Error) {
		return thrown.message || thrown.name;
	}
	return String(thrown);
}

/** The `code` of a Node system error (`ECONNREFUSED`, ...), if there is one. */
export function systemCodeOf(thrown: unknown): string | undefined {
	if (thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string') {
		return thrown.code;
	}
	return undefined;
}
