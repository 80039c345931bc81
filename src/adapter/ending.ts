/** Ends engine connections in the ways that leave the client free to come back and recover. The only user of transport internals. */
import type { Socket } from 'socket.io';
import { sleep } from '../base/deadline.ts';

export type EngineConnection = Socket['conn'];

/** A WebSocket of `ws`, as far as we use it. */
interface WsSocket {
	readonly bufferedAmount: number;
	terminate(): void;
}

function webSocketOf(connection: EngineConnection): WsSocket | undefined {
	const { socket } = connection.transport as unknown as { socket?: Partial<WsSocket> };
	return typeof socket?.terminate === 'function' ? (socket as WsSocket) : undefined;
}

/**
 * Ends it now, whatever is buffered, and in this step: when it returns, the sockets of the client are disconnected. For the client
 * it is a lost connection. A close would keep what is buffered for the 30 s that the handshake may take.
 */
export function cutConnection(connection: EngineConnection): void {
	const transport = connection.transport;
	webSocketOf(connection)?.terminate();
	// What the transport says when the TCP connection is gone; the engine cleans up on it, once.
	transport.emit('close');
}

/** Its client is sent nothing more but pings, until it is closed: what follows would come behind a hole that the client is not told of yet. */
export function silence(connection: EngineConnection): void {
	connection.write = () => connection;
}

/** Bytes that wait to be sent: in the engine, and in the WebSocket below it. */
export function bufferedBytesOf(connection: EngineConnection): number {
	const { writeBuffer } = connection as unknown as { writeBuffer: readonly { data?: unknown }[] };
	let bytes = webSocketOf(connection)?.bufferedAmount ?? 0;
	for (const { data } of writeBuffer) {
		bytes += typeof data === 'string' ? data.length : ArrayBuffer.isView(data) ? data.byteLength : 0;
	}
	return bytes;
}

const PACE_STEP_MS = 50;
const PACE_STEPS = 40;

/** Closes all of them within two seconds, evenly, so that they don't all come back in one moment. */
export async function closePaced(connections: readonly EngineConnection[], signal: AbortSignal): Promise<void> {
	const step = Math.max(1, Math.ceil(connections.length / PACE_STEPS));
	for (let i = 0; i < connections.length && !signal.aborted; i += step) {
		for (const connection of connections.slice(i, i + step)) {
			connection.close();
		}
		await sleep(PACE_STEP_MS, signal);
	}
}
