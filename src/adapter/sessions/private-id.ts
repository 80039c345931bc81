/**
 * The private id that a client comes back with. It names the worker that gave it out, so that whoever the client comes back to knows whom to
 * ask for a session that Redis does not have yet; the rest is what nobody can guess.
 */
import { randomBytes } from 'node:crypto';

/** Both in base64url, four characters for three bytes. */
const WORKER_BYTES = 6;
const SECRET_BYTES = 12;
const PRIVATE_ID = /^([\w-]{8})[\w-]{16}$/;

/** Short, since it is part of the key of each session. */
export function createWorkerId(): string {
	return randomBytes(WORKER_BYTES).toString('base64url');
}

export function createPrivateId(worker: string): string {
	return worker + randomBytes(SECRET_BYTES).toString('base64url');
}

/** Undefined when it is no id of ours, or one of a version that named no worker. */
export function workerOfPrivateId(pid: string): string | undefined {
	return PRIVATE_ID.exec(pid)?.[1];
}
