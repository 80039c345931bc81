/** What Node's HTTP parser refuses: counted by reason and answered as the primary does for heads that it reads itself. */
import type { Server as HttpServer } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemCodeOf } from '../base/errors.ts';
import { answerBadHead } from '../edge/answers.ts';
import type { Metrics } from '../metrics/registry.ts';

export function refuseBadHeads(server: HttpServer, metrics: Metrics): void {
	server.on('clientError', (error: Error, socket: Duplex) => {
		if (socket.writableEnded) {
			return; // the rest of a head that was answered already
		}
		const reason = reasonOf(systemCodeOf(error));
		if (reason === undefined) {
			socket.destroy();
			return;
		}
		metrics.inc('socketfleet_rejected_connections_total', { reason });
		// Behind an answer that is being sent another one would be taken for a part of it.
		if (socket instanceof Socket && socket.writable && socket.bytesWritten === 0) {
			answerBadHead(socket, reason);
		} else {
			socket.destroy();
		}
	});
}

/** Undefined when the client just went away. */
function reasonOf(code: string | undefined): 'head_timeout' | 'head_too_large' | 'bad_head' | undefined {
	switch (code) {
		case 'ERR_HTTP_REQUEST_TIMEOUT':
			return 'head_timeout';
		case 'HPE_HEADER_OVERFLOW':
			return 'head_too_large';
		case 'HPE_INVALID_EOF_STATE':
			return undefined;
		default:
			return code?.startsWith('HPE_') ? 'bad_head' : undefined;
	}
}
