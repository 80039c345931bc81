/**
 * The HTTP side of a worker. Three edges take connections (public, siblings, other pods), one router decides who answers, and
 * `front`, which never listens, is what Socket.IO is attached to.
 */
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { UNKNOWN_SESSION } from '../edge/answers.ts';
import type { Metrics } from '../metrics/registry.ts';
import { clientAddressFrom, createTrust, normalizeAddress } from '../net/client-address.ts';
import { sessionIdOf } from '../net/http-head.ts';
import type { SessionOwner } from '../net/session-id.ts';
import type { AppDefinition } from './app.ts';
import { refuseBadHeads } from './bad-heads.ts';
import { CLIENT_HEADER, type Forwarder } from './forward.ts';
import { PEER_KEEP_ALIVE_MS } from './peers.ts';
import { type Route, routeOf } from './route.ts';

export interface EdgeOptions {
	readonly config: Config;
	readonly self: SessionOwner;
	readonly forwarder: Forwarder;
	readonly metrics: Metrics;
	readonly log: Logger;
	readonly http: AppDefinition['http'];
}

export interface Edges {
	/** Attach Socket.IO here. */
	readonly front: HttpServer;
	/** From clients. */
	readonly public: HttpServer;
	/** From siblings and from other pods: already forwarded once. */
	readonly internal: HttpServer;
	/** The address of the client that sent `req`, through proxies and forwards. */
	clientAddressOf(req: IncomingMessage): string;
	/** From now on every answer asks the client to close the connection. */
	startDraining(): void;
}

/** Long polls are answered within a ping interval; nothing but the head may time out. */
const HEAD_CHECK_MS = 1000;

export function createEdges(options: EdgeOptions): Edges {
	const { config, http, log } = options;
	const isTrusted = createTrust(config.trustedProxies);
	let draining = false;

	const front = createServer((req, res) => serveApp(http, req, res, log));

	const clientAddressOf = (req: IncomingMessage): string => {
		const forwarded = req.headers[CLIENT_HEADER];
		if (typeof forwarded === 'string') {
			return forwarded;
		}
		const peer = normalizeAddress(req.socket.remoteAddress ?? '');
		const header = req.headers['x-forwarded-for'];
		return config.addressSource === 'x-forwarded-for' && typeof header === 'string' ? clientAddressFrom(peer, [header], isTrusted) : peer;
	};

	const createEdge = (forwarded: boolean): HttpServer => {
		const edge = createServer({
			headersTimeout: config.headTimeoutMs,
			requestTimeout: 0,
			connectionsCheckingInterval: HEAD_CHECK_MS,
			maxHeaderSize: config.maxHeadBytes,
			keepAliveTimeout: PEER_KEEP_ALIVE_MS,
			noDelay: true,
		});
		refuseBadHeads(edge, options.metrics);
		const route = (req: IncomingMessage): Route => {
			if (!forwarded) {
				delete req.headers[CLIENT_HEADER];
			}
			return routeOf(sessionIdOf(req.url ?? '', config.path), options.self, forwarded);
		};
		edge.on('request', (req: IncomingMessage, res: ServerResponse) => {
			if (draining) {
				res.setHeader('Connection', 'close');
			}
			const target = route(req);
			if (target.kind === 'own') {
				front.emit('request', req, res);
			} else if (target.kind === 'unknown') {
				answerUnknown(options.metrics, target.reason, res);
			} else {
				void options.forwarder.request(req, res, target, clientAddressOf(req));
			}
		});
		edge.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
			const target = route(req);
			if (target.kind === 'own') {
				front.emit('upgrade', req, socket, head);
			} else if (target.kind === 'unknown') {
				options.metrics.inc('socketfleet_unknown_sessions_total', { reason: target.reason });
				socket.on('error', () => socket.destroy());
				socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
			} else {
				void options.forwarder.upgrade(req, socket, head, target, clientAddressOf(req));
			}
		});
		return edge;
	};

	const publicEdge = createEdge(false);
	// It never listens: connections are given to it. Node starts its timeouts, and its list of connections, only at this event.
	publicEdge.emit('listening');

	return {
		front,
		public: publicEdge,
		internal: createEdge(true),
		clientAddressOf,
		startDraining: () => {
			draining = true;
		},
	};
}

function answerUnknown(metrics: Metrics, reason: 'malformed' | 'forwarded', res: ServerResponse): void {
	metrics.inc('socketfleet_unknown_sessions_total', { reason });
	res.writeHead(400, { 'Content-Type': 'application/json' }).end(JSON.stringify(UNKNOWN_SESSION));
}

/** Whatever is not Socket.IO's. An application that throws here costs one answer, not the worker. */
function serveApp(http: AppDefinition['http'], req: IncomingMessage, res: ServerResponse, log: Logger): void {
	if (!http) {
		res.writeHead(404, { 'Content-Type': 'text/plain' }).end('not found\n');
		return;
	}
	try {
		http(req, res);
	} catch (error) {
		log.error({ path: req.url, err: messageOf(error) }, "the application's http threw");
		if (!res.headersSent) {
			res.writeHead(500, { 'Content-Type': 'text/plain' });
		}
		res.end();
	}
}
