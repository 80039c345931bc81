/** Takes the connections that the primary hands over, and puts back what it has read of them. */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { resumeReading } from '../edge/socket-handle.ts';
import type { ConnectionMessage } from '../ipc/messages.ts';

/** Gives `socket` to `server` as if the server had accepted it. */
export function adoptConnection(server: Server, socket: Socket, { bytes, source }: Pick<ConnectionMessage, 'bytes' | 'source'>): void {
	if (source) {
		overrideSource(socket, source);
	}
	if (bytes && bytes.length > 0) {
		socket.unshift(bytes);
	}
	server.emit('connection', socket);
	resumeReading(socket);
}

/** `remoteAddress` and `remotePort` are getters of the prototype: what a PROXY header said is set on the socket itself. */
function overrideSource(socket: Socket, source: { address: string; port: number }): void {
	Object.defineProperties(socket, {
		remoteAddress: { value: source.address, configurable: true },
		remotePort: { value: source.port, configurable: true },
	});
}
