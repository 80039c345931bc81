/** The one error class and the one code table: what a user sees, which HTTP status and which exit code go with it. */

interface ErrorRow {
	readonly status: number;
	readonly exitCode: number;
}

/** Codes are never reused. `status` is used when the error crosses HTTP, `exitCode` when it ends a process. */
export const ERROR_TABLE = {
	ERR_USAGE: { status: 400, exitCode: 2 },
	ERR_CONFIG: { status: 500, exitCode: 3 },
	ERR_APP: { status: 500, exitCode: 4 },
	ERR_PORT: { status: 500, exitCode: 5 },
	ERR_UNEXPECTED: { status: 500, exitCode: 6 },
	ERR_DRAIN_TIMEOUT: { status: 500, exitCode: 7 },
	ERR_UNREACHABLE: { status: 503, exitCode: 8 },
	ERR_DEADLINE: { status: 504, exitCode: 8 },
	ERR_REDIS: { status: 503, exitCode: 8 },
	ERR_VALIDATION: { status: 400, exitCode: 2 },
	ERR_UNAUTHORIZED: { status: 401, exitCode: 9 },
	ERR_FORBIDDEN: { status: 403, exitCode: 9 },
	ERR_CONFLICT: { status: 409, exitCode: 2 },
	ERR_TOO_LARGE: { status: 413, exitCode: 2 },
	ERR_RATE: { status: 429, exitCode: 8 },
	ERR_NOT_FOUND: { status: 404, exitCode: 2 },
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
