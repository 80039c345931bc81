/** Well-formed HTTP answers for connections that no HTTP server will see. */
import type { Socket } from 'node:net';
import { resumeReading } from './socket-handle.ts';

const REASONS = {
	400: 'Bad Request',
	408: 'Request Timeout',
	431: 'Request Header Fields Too Large',
	502: 'Bad Gateway',
	503: 'Service Unavailable',
} as const;

/** How long the peer may take to read the answer before the socket is destroyed. */
const LINGER_MS = 2000;

/** Answers and closes. `body` is JSON. */
export function answerAndClose(socket: Socket, status: keyof typeof REASONS, body: object, headers: readonly string[] = []): void {
	const text = JSON.stringify(body);
	const lines = [
		`HTTP/1.1 ${status} ${REASONS[status]}`,
		'Content-Type: application/json',
		`Content-Length: ${Buffer.byteLength(text)}`,
		'Connection: close',
		...headers,
	];
	socket.on('error', () => socket.destroy());
	// The destroy below may come before the peer has read what it sent itself; a reset would then eat the answer.
	resumeReading(socket);
	socket.end(`${lines.join('\r\n')}\r\n\r\n${text}`, () => {
		setTimeout(() => socket.destroy(), LINGER_MS).unref();
	});
}

const BAD_HEAD_STATUS = { head_timeout: 408, head_too_large: 431, bad_head: 400 } as const;

/** A request head that is late, too long, or none. */
export function answerBadHead(socket: Socket, reason: keyof typeof BAD_HEAD_STATUS): void {
	answerAndClose(socket, BAD_HEAD_STATUS[reason], { message: reason.replaceAll('_', ' ') });
}

/** The body with which engine.io answers a session id that it does not know. */
export const UNKNOWN_SESSION = { code: 1, message: 'Session ID unknown' } as const;
