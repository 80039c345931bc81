/** Forwards a request or an upgrade to the worker that owns its session. */
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { UNKNOWN_SESSION } from '../edge/answers.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { Peers, Target } from './peers.ts';

export interface ForwarderOptions {
	readonly peers: Peers;
	readonly metrics: Metrics;
	readonly log: Logger;
}

/** Carries the client's address to the owner; believed only on connections from siblings and authenticated pods. */
export const CLIENT_HEADER = 'x-socketfleet-client';

/** RFC 9110, section 7.6.1: meant for one connection only. And what a client may have made up to look like a sibling. */
const NOT_FORWARDED = new Set([
	'connection',
	'keep-alive',
	'proxy-connection',
	'te',
	'trailer',
	'transfer-encoding',
	'upgrade',
	CLIENT_HEADER,
]);

export class Forwarder {
	readonly #options: ForwarderOptions;
	/** Client sides of upgrades that pass through this worker. */
	readonly #tunnels = new Set<Duplex>();

	constructor(options: ForwarderOptions) {
		this.#options = options;
		options.metrics.onSnapshot(() => options.metrics.set('socketfleet_tunnels', {}, this.#tunnels.size));
	}

	/** Open tunnels, oldest first. */
	get tunnels(): ReadonlySet<Duplex> {
		return this.#tunnels;
	}

	/** Never rejects. */
	async request(req: IncomingMessage, res: ServerResponse, target: Target, clientAddress: string): Promise<void> {
		const agent = await this.#options.peers.agentFor(target);
		if (res.destroyed) {
			return;
		}
		if (!agent) {
			this.#answerUnknown(res, target);
			return;
		}
		const upstream = httpRequest({ agent, method: req.method, path: req.url, headers: forwardHeaders(req, clientAddress), setHost: false });
		upstream.on('response', (answer) => {
			this.#count(target, 'ok');
			res.writeHead(answer.statusCode ?? 502, endToEnd(answer.rawHeaders));
			answer.pipe(res);
			answer.on('error', () => res.destroy());
		});
		upstream.on('error', (error) => {
			if (res.destroyed) {
				return; // the client left first, and we hung up on the owner
			}
			this.#note(target, error);
			if (res.headersSent) {
				res.destroy();
			} else {
				this.#answerUnknown(res, target);
			}
		});
		res.on('close', () => upstream.destroy());
		req.pipe(upstream);
	}

	/** Never rejects. */
	async upgrade(req: IncomingMessage, socket: Duplex, head: Buffer, target: Target, clientAddress: string): Promise<void> {
		socket.on('error', () => socket.destroy());
		const agent = await this.#options.peers.agentFor(target);
		if (socket.destroyed) {
			return;
		}
		if (!agent) {
			this.#refuseUpgrade(socket, target);
			return;
		}
		const headers = [...forwardHeaders(req, clientAddress), 'Connection', 'Upgrade', 'Upgrade', req.headers.upgrade ?? 'websocket'];
		const upstream = httpRequest({ agent, method: req.method, path: req.url, headers, setHost: false });
		upstream.on('upgrade', (answer, ownerSocket, ownerHead) => {
			this.#count(target, 'ok');
			socket.write(rawHead(answer));
			this.#tunnel(socket, head, ownerSocket, ownerHead);
		});
		upstream.on('response', (answer) => relayRefusal(answer, socket));
		upstream.on('error', (error) => {
			if (socket.destroyed) {
				return; // as above
			}
			this.#note(target, error);
			this.#refuseUpgrade(socket, target);
		});
		socket.on('close', () => upstream.destroy());
		upstream.end();
	}

	#tunnel(client: Duplex, clientHead: Buffer, owner: Duplex, ownerHead: Buffer): void {
		this.#tunnels.add(client);
		owner.on('error', () => client.destroy());
		owner.on('close', () => client.destroy());
		client.on('close', () => {
			this.#tunnels.delete(client);
			owner.destroy();
		});
		client.write(ownerHead);
		owner.write(clientHead);
		client.pipe(owner).pipe(client);
	}

	#answerUnknown(res: ServerResponse, target: Target): void {
		this.#countUnknown(target);
		res.writeHead(400, { 'Content-Type': 'application/json' }).end(JSON.stringify(UNKNOWN_SESSION));
	}

	#refuseUpgrade(socket: Duplex, target: Target): void {
		this.#countUnknown(target);
		const body = JSON.stringify(UNKNOWN_SESSION);
		socket.end(
			`HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
		);
	}

	#note(target: Target, error: Error): void {
		this.#count(target, 'error');
		this.#options.log.debug({ target, err: messageOf(error) }, 'the owner of a session could not be reached');
	}

	#count({ kind }: Target, result: 'ok' | 'error'): void {
		this.#options.metrics.inc('socketfleet_forwarded_requests_total', { target: kind, result });
	}

	#countUnknown({ kind }: Target): void {
		this.#options.metrics.inc('socketfleet_unknown_sessions_total', { reason: kind === 'pod' ? 'unknown_pod' : 'owner_gone' });
	}
}

/** Raw pairs, so that order, case and repeats survive. */
function endToEnd(rawHeaders: readonly string[]): string[] {
	const kept: string[] = [];
	for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
		const name = rawHeaders[index] ?? '';
		if (!NOT_FORWARDED.has(name.toLowerCase())) {
			kept.push(name, rawHeaders[index + 1] ?? '');
		}
	}
	return kept;
}

function forwardHeaders(req: IncomingMessage, clientAddress: string): string[] {
	const kept = endToEnd(req.rawHeaders);
	// A body of unknown length keeps its chunks: Node adds the header when the body is piped, if the request says so.
	const chunked = req.headers['transfer-encoding'] === undefined ? [] : ['Transfer-Encoding', 'chunked'];
	return [...kept, ...chunked, CLIENT_HEADER, clientAddress];
}

function rawHead(answer: IncomingMessage): string {
	const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`];
	for (let index = 0; index + 1 < answer.rawHeaders.length; index += 2) {
		lines.push(`${answer.rawHeaders[index]}: ${answer.rawHeaders[index + 1]}`);
	}
	return `${lines.join('\r\n')}\r\n\r\n`;
}

/** The owner answered an upgrade with something else: passed on as it is, and the connection ends. */
function relayRefusal(answer: IncomingMessage, socket: Duplex): void {
	socket.write(rawHead(answer).replace(/\r\ntransfer-encoding: chunked/i, ''));
	answer.pipe(socket);
}
