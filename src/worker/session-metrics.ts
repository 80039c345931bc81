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
	countEvents(io.of('/'), metrics);
	io.on('new_namespace', (namespace) => countEvents(namespace, metrics));
}

function countEvents(namespace: Namespace, metrics: Metrics): void {
	const labels = { nsp: namespace.name };
	const received = metrics.tally('socketfleet_events_in_total', labels);
	const sent = metrics.tally('socketfleet_events_out_total', labels);
	namespace.on('connection', (socket) => {
		socket.onAny(received);
		socket.onAnyOutgoing(sent);
	});
}
