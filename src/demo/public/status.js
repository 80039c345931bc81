/** The status bar: who holds this connection, how it is, and whether the last reconnect was recovered. */
import { ask } from './page.js';

const PING_INTERVAL_MS = 2000;

export function startStatus(socket) {
	const at = (id) => document.getElementById(id);
	const drop = at('drop');
	let connectedBefore = false;

	function showState(state) {
		at('state').textContent = state;
		at('state').dataset.state = state;
		drop.disabled = state !== 'connected';
	}
	function showTransport() {
		at('transport').textContent = socket.io.engine.transport.name;
	}

	socket.on('connect', async () => {
		showState('connected');
		showTransport();
		socket.io.engine.once('upgrade', showTransport);
		if (connectedBefore) {
			at('recovered').textContent = socket.recovered ? 'recovered' : 'new session';
			at('recovered').dataset.recovered = String(socket.recovered);
		}
		connectedBefore = true;
		const holder = await ask(socket, 'presence:hello');
		if (!holder.error) {
			at('pod').textContent = holder.pod;
			at('worker').textContent = holder.worker;
			at('address').textContent = holder.address;
		}
	});
	socket.on('disconnect', () => {
		showState('disconnected');
		at('ping').textContent = '–';
	});
	socket.io.on('reconnect_attempt', () => showState('reconnecting'));

	drop.addEventListener('click', () => socket.io.engine.close());

	setInterval(() => {
		if (!socket.connected) {
			return;
		}
		const sentAt = performance.now();
		socket.volatile.emit('presence:ping', {}, () => {
			const ms = performance.now() - sentAt;
			at('ping').textContent = `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
		});
	}, PING_INTERVAL_MS);
}
