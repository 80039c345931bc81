/** The fleet as this pod's workers know it. Pure: the primary itself never talks to Redis. */
import type { PeerStatus } from '../ipc/messages.ts';

/** One for each pod: what the worker with the newest heartbeat of it has seen. */
export function newestOfPeers(seen: readonly PeerStatus[]): PeerStatus[] {
	const newest = new Map<string, PeerStatus>();
	for (const peer of seen) {
		if (peer.at >= (newest.get(peer.pod)?.at ?? 0)) {
			newest.set(peer.pod, peer);
		}
	}
	return [...newest.values()].sort((a, b) => (a.pod < b.pod ? -1 : 1));
}
