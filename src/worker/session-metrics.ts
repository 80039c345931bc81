/** Counts what Socket.IO does: sessions, transports, events. Listens only. */
import type { Namespace, Server } from 'socket.io';
import type { Metrics } from '../metrics/registry.ts';
import { engineOf } from './engine.ts';

/** engine.io's code for a session id that it does not know. */
const UNKNOWN_SID = 1;

export function countSessions(io: Server, metrics: Metrics): void {
	const engine = engineOf(io);
	engine.on('connection', (session) => {
		metrics.inc('socketfleet_sessions_opened_total', {});
		session.on('close', (reason) => metrics.inc('socketfleet_sessions_closed_total', { reason }));
	});
	engine.on('connection_error', ({ code }) => {
		if (code === UNKNOWN_SID) {
			metrics.inc('socketfleet_unknown_sessions_total', { reason: 'expired' });
		}
	});
	metrics.onSnapshot(() => {
		const counts = { polling: 0, websocket: 0 };
		for (const { transport } of Object.values(engine.clients)) {
			if (transport.name === 'websocket') {
				counts.websocket++;
			} else {
				counts.polling++;
			}
		}
		metrics.set('socketfleet_connections', { transport: 'polling' }, counts.polling);
		metrics.set('socketfleet_connections', { transport: 'websocket' }, counts.websocket);
	});
	countEvents(io, metrics);
}

interface EventTally {
	readonly nsp: string;
	in: number;
	out: number;
}

/** In plain numbers, added to the counters when those are read: a counter's labels cost as much as half of a delivery in a room. */
function countEvents(io: Server, metrics: Metrics): void {
	const changed = new Set<EventTally>();
	const watch = (namespace: Namespace): void => {
		const tally: EventTally = { nsp: namespace.name, in: 0, out: 0 };
		const onIn = (): void => {
			tally.in++;
			changed.add(tally);
		};
		const onOut = (): void => {
			tally.out++;
			changed.add(tally);
		};
		namespace.on('connection', (socket) => socket.onAny(onIn).onAnyOutgoing(onOut));
	};
	watch(io.of('/'));
	io.on('new_namespace', watch);
	metrics.onSnapshot(() => {
		for (const tally of changed) {
			metrics.inc('socketfleet_events_in_total', { nsp: tally.nsp }, tally.in);
			metrics.inc('socketfleet_events_out_total', { nsp: tally.nsp }, tally.out);
			tally.in = 0;
			tally.out = 0;
		}
		changed.clear();
	});
}
