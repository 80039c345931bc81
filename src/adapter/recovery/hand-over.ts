/** Sends a client that was recovered what it missed: behind its CONNECT, before anything newer. */
import { Adapter } from 'socket.io-adapter';
import type { Logger } from '../../base/log.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { EVENT_PACKET } from '../../stream/protocol.ts';
import type { OfficialAdapter, RecoverableSocket } from '../official.ts';
import type { Room } from '../sessions/record.ts';
import type { MissedPacket } from './replay.ts';

export interface HandOverDeps {
	readonly metrics: Metrics;
	readonly log: Logger;
}

/** To be called before CONNECT goes out. */
export function handOver(deps: HandOverDeps, adapter: OfficialAdapter, socket: RecoverableSocket, missed: readonly MissedPacket[]): void {
	afterNextPacket(socket, () => sendMissed(deps, adapter, socket.id, missed));
}

/**
 * Socket.IO itself sends what was missed before CONNECT. The stock client keeps such packets for the CONNECT that follows, even one of a
 * later connection: if this connection breaks in between, it has them twice (test/chaos/hand-over.test.ts).
 */
function afterNextPacket(socket: RecoverableSocket, run: () => void): void {
	const instance = socket as unknown as { packet?: (...args: unknown[]) => void };
	const { packet } = instance;
	instance.packet = (...args) => {
		// The prototype's own again.
		delete instance.packet;
		packet?.apply(socket, args);
		run();
	};
}

function sendMissed({ metrics, log }: HandOverDeps, adapter: OfficialAdapter, sid: string, missed: readonly MissedPacket[]): void {
	const opts = { rooms: new Set([sid]), except: new Set<Room>() };
	for (const { id, data } of missed) {
		try {
			Adapter.prototype.broadcast.call(adapter, { type: EVENT_PACKET, data: [...data, id] }, opts);
		} catch (error) {
			// It can't be encoded: those who were there have not got it either.
			metrics.inc('socketfleet_stream_entries_dropped_total', { reason: 'failed' }, 1);
			log.error({ err: error, offset: id }, 'sending a missed message failed');
		}
	}
}
