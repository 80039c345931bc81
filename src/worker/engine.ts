/** What this worker uses of engine.io's server, whose declarations keep most of it private. The one cast to it. */
import type { IncomingMessage } from 'node:http';
import type { Server } from 'socket.io';

export interface EngineSession {
	readonly request: IncomingMessage;
	readonly transport: { readonly name: string };
	/** Becomes `socket.handshake.address` in every namespace. */
	remoteAddress: string;
	on(event: 'close', listener: (reason: string) => void): void;
	/** Recoverable: the stock client comes back by itself. */
	close(): void;
}

export interface EngineError {
	readonly req: IncomingMessage;
	readonly code: number;
}

export interface Engine {
	generateId: () => string;
	/** By session id. */
	readonly clients: Readonly<Record<string, EngineSession>>;
	on(event: 'connection', listener: (session: EngineSession) => void): void;
	on(event: 'connection_error', listener: (error: EngineError) => void): void;
}

export function engineOf(io: Server): Engine {
	return io.engine as unknown as Engine;
}
