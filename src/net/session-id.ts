/** Session ids that say which worker of which pod owns the session: pod(4) slot(1) random(15), 20 characters as engine.io's own. */
import { randomBytes } from 'node:crypto';

export interface SessionOwner {
	/** 4 characters of `[A-Za-z0-9_-]`. */
	readonly pod: string;
	/** 0 to 63. */
	readonly slot: number;
}

export const MAX_SLOTS = 64;
const SLOT_CHARS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const POD = /^[\w-]{4}$/;
const SESSION_ID = /^[\w-]{20}$/;
const RANDOM_CHARS = 15;

/** A new id with 90 random bits. Throws RangeError for an owner that can't be one. */
export function mintSessionId(owner: SessionOwner): string {
	const slotChar = SLOT_CHARS[owner.slot];
	if (slotChar === undefined || !POD.test(owner.pod)) {
		throw new RangeError(`no session owner: pod ${JSON.stringify(owner.pod)}, slot ${owner.slot}`);
	}
	return owner.pod + slotChar + randomBytes(12).toString('base64url').slice(0, RANDOM_CHARS);
}

/** The owner that an id names, whether or not it exists; undefined when the text can't be an id. */
export function parseSessionId(id: string): SessionOwner | undefined {
	return SESSION_ID.test(id) ? { pod: id.slice(0, 4), slot: SLOT_CHARS.indexOf(id.charAt(4)) } : undefined;
}

/** A short random pod id, 24 bits; whoever registers it checks that no other pod has it. */
export function mintPodId(): string {
	return randomBytes(3).toString('base64url');
}
