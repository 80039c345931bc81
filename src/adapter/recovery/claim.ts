/** Takes over the session of a client that came here: from Redis, or from the worker that still has it. */
import { withDeadline } from '../../base/deadline.ts';
import type { Config } from '../../config/schema.ts';
import { cutConnection } from '../ending.ts';
import { workerOfPrivateId } from '../sessions/private-id.ts';
import { decodeRecord, type SessionRecord } from '../sessions/record.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { ClaimResult, SessionStore } from '../sessions/store.ts';
import { type Refused, refused } from './outcome.ts';

export interface ClaimDeps {
	readonly sessions: Sessions;
	readonly store: SessionStore;
	readonly config: Config;
	/** Asks the worker that owns a session to let go of it; resolves when it has, or is gone. */
	takeOver(owner: string, pid: string): Promise<void>;
}

/** `epoch`: what is read for the client must be of the same one. */
export type ClaimOutcome = { readonly kind: 'claimed'; readonly record: SessionRecord; readonly epoch: string } | Refused;

const CLAIM_TIMEOUT_MS = 2000;

/** Rejects when Redis fails, or takes too long. */
export async function claimSession(deps: ClaimDeps, nsp: string, pid: string): Promise<ClaimOutcome> {
	const { sessions } = deps;
	const live = sessions.findByPid(pid);
	if (live) {
		// The old connection ends here and now; what it leaves behind is saved before it is claimed.
		cutConnection(live.socket.conn);
	}
	await sessions.settle(pid);
	const claim = await withDeadline(claimFrom(deps, pid), CLAIM_TIMEOUT_MS, 'claiming a session');
	if (claim.kind !== 'claimed') {
		return refused('no_session');
	}
	if (claim.savedInEpoch !== claim.epoch) {
		return refused('rewound');
	}
	const record = decodeRecord(claim.record);
	return record === undefined || record.nsp !== nsp || record.pid !== pid
		? refused('no_session')
		: { kind: 'claimed', record, epoch: claim.epoch };
}

/**
 * A session that Redis does not have may be one that was not saved yet: the client was sent its first event a moment ago, and its old
 * connection still counts as alive. The worker that gave the private id out knows, and saves it when it is asked to let go.
 */
async function claimFrom({ store, config, takeOver }: ClaimDeps, pid: string): Promise<ClaimResult> {
	const claim = await store.claim(pid, false, config.recoveryWindowMs);
	const owner = claim.kind === 'owned' ? claim.owner : claim.kind === 'none' ? workerOfPrivateId(pid) : undefined;
	if (owner === undefined) {
		return claim;
	}
	await takeOver(owner, pid);
	return store.claim(pid, true, config.recoveryWindowMs);
}
