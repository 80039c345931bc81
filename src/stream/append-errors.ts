/** How a write to Redis fails: the one thing that matters is whether it may have been written. */
import { AppError, messageOf } from '../base/errors.ts';

/** It is certain that nothing is in the stream. */
export function notWritten(why: string): AppError {
	return new AppError('ERR_REDIS', `not written: ${why}`);
}

/** Redis may have it. */
export function unknownOutcome(why: string): AppError {
	return new AppError(
		'ERR_UNREACHABLE',
		`Redis did not say whether it was written: ${why}; repeat it with the same idempotency key, which can't write twice`,
	);
}

/** What a failed command says about what it wrote. */
export function describeWriteFailure(error: unknown): AppError {
	const message = messageOf(error);
	if (message.startsWith('NOTROUTED')) {
		return new AppError('ERR_UNREACHABLE', `it is on the stream, but Redis refused to pass it on to the workers: ${message}`, {
			cause: error,
		});
	}
	if (error instanceof Error && error.name === 'ReplyError') {
		return new AppError('ERR_REDIS', `not written: Redis refused it: ${message}`, { cause: error });
	}
	// ioredis: the command never left this process.
	if (message.startsWith("Stream isn't writeable")) {
		return notWritten(message);
	}
	return unknownOutcome(message.startsWith('Reached the max retries') ? 'the connection was lost' : message);
}
