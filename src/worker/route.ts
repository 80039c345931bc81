/** Who answers a request, by the session id it carries. Pure. */
import { parseSessionId, type SessionOwner } from '../net/session-id.ts';

export type Route =
	/** No session yet, or one of this worker's. */
	| { readonly kind: 'own' }
	| { readonly kind: 'sibling'; readonly slot: number }
	| { readonly kind: 'pod'; readonly pod: string; readonly slot: number }
	| { readonly kind: 'unknown'; readonly reason: 'malformed' | 'forwarded' };

/** A request that was forwarded to us and is not ours is never forwarded again: that ends every loop. */
export function routeOf(sessionId: string | undefined, self: SessionOwner, forwarded: boolean): Route {
	if (sessionId === undefined) {
		return { kind: 'own' };
	}
	const owner = parseSessionId(sessionId);
	if (!owner) {
		return { kind: 'unknown', reason: 'malformed' };
	}
	if (owner.pod === self.pod && owner.slot === self.slot) {
		return { kind: 'own' };
	}
	if (forwarded) {
		return { kind: 'unknown', reason: 'forwarded' };
	}
	return owner.pod === self.pod ? { kind: 'sibling', slot: owner.slot } : { kind: 'pod', ...owner };
}
