/**
 * HTTPS for the front proxy. Its certificate and whom it trusts are read again and again, since both change in a cluster's life;
 * it answers nobody before both are known.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { backoffMs } from '../../base/backoff.ts';
import { sleep } from '../../base/deadline.ts';
import { messageOf } from '../../base/errors.ts';
import type { Closable } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';
import { listen } from '../../edge/listen.ts';
import type { KubeClient } from '../../kube/client.ts';
import { RESOURCES } from '../../kube/object.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { CustomMetricsApi } from './api.ts';
import { buildStatus } from './documents.ts';
import { type FrontProxyTrust, type Peer, parseTrust } from './front-proxy.ts';
import type { CertificateStore } from './serving-certificate.ts';

export interface CustomMetricsServerOptions {
	readonly host: string;
	readonly port: number;
	readonly api: CustomMetricsApi;
	readonly client: Pick<KubeClient, 'get'>;
	readonly certificates: Pick<CertificateStore, 'refresh'>;
	readonly metrics: Pick<Metrics, 'inc'>;
	readonly log: Logger;
	readonly refreshMs?: number;
}

const TRUST = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
const REFRESH_MS = 60_000;
const BACKOFF = { minMs: 500, maxMs: 30_000 };
const HANDSHAKE_MS = 10_000;
const HEAD_MS = 10_000;
/** Above the 90 s for which the aggregator keeps idle connections: the one that closes first must not be us, or a request meets a closed one. */
const KEEP_ALIVE_MS = 120_000;

export class CustomMetricsServer implements Closable {
	readonly #options: CustomMetricsServerOptions;
	readonly #server: Server;
	readonly #stopped = new AbortController();
	#trust: FrontProxyTrust | undefined;
	#ready = false;
	#refreshing: Promise<void> | undefined;

	constructor(options: CustomMetricsServerOptions) {
		this.#options = options;
		// Whoever comes without a certificate is answered 401, not cut off: so that a person sees why.
		const tls = { requestCert: true, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS } as const;
		const http = { headersTimeout: HEAD_MS, requestTimeout: HEAD_MS, keepAliveTimeout: KEEP_ALIVE_MS } as const;
		this.#server = createServer({ ...tls, ...http }, (req, res) => void this.#serve(req, res));
		this.#server.on('tlsClientError', (error) => options.log.debug({ err: messageOf(error) }, 'a TLS handshake failed'));
	}

	/** Whether it serves: its certificate is known to the API server. */
	get isReady(): boolean {
		return this.#ready;
	}

	/** Resolves to the port; rejects with ERR_PORT. Serves as soon as it can. */
	async start(): Promise<number> {
		const { host, port } = this.#options;
		const actual = await listen(this.#server, { host, port, option: '--custom-metrics-port' });
		this.#refreshing = this.#keepFresh();
		return actual;
	}

	async close(): Promise<void> {
		this.#stopped.abort();
		this.#server.close();
		this.#server.closeAllConnections();
		await this.#refreshing;
	}

	async #keepFresh(): Promise<void> {
		const { log, refreshMs = REFRESH_MS } = this.#options;
		const { signal } = this.#stopped;
		let failures = 0;
		while (!signal.aborted) {
			let delayMs = refreshMs;
			try {
				await this.#refresh();
				failures = 0;
			} catch (error) {
				delayMs = backoffMs(failures++, BACKOFF);
				log.warn({ err: messageOf(error), delayMs }, 'certificate or front proxy of the metrics API could not be read; tried again');
			}
			await sleep(delayMs, signal);
		}
	}

	/** What was known before stays in force when this fails. */
	async #refresh(): Promise<void> {
		const { client, certificates, log } = this.#options;
		const trust = parseTrust(await client.get(RESOURCES.ConfigMap, TRUST));
		const { key, certificate } = await certificates.refresh();
		this.#server.setSecureContext({ key, cert: certificate, ...(trust ? { ca: trust.clientCa } : {}), minVersion: 'TLSv1.2' });
		if (this.#trust && this.#trust.clientCa !== trust?.clientCa) {
			// They were verified by an authority that is no longer trusted.
			this.#server.closeAllConnections();
		}
		this.#trust = trust;
		if (!trust) {
			log.warn(`${TRUST.namespace}/${TRUST.name} names no front proxy: every request is refused`);
		}
		if (!this.#ready) {
			this.#ready = true;
			log.info('the metrics API serves');
		}
	}

	async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
		const { api, metrics, log } = this.#options;
		const call = { method: req.method ?? 'GET', url: req.url ?? '/', headers: req.headersDistinct, peer: peerOf(req), trust: this.#trust };
		const { code, body } = await api.answer(call).catch((error: unknown) => {
			log.error({ path: req.url, err: messageOf(error) }, 'a request to the metrics API failed');
			return { code: 500, body: buildStatus(500, messageOf(error)) };
		});
		metrics.inc('socketfleet_operator_custom_metrics_requests_total', { status: String(code) });
		const text = `${JSON.stringify(body)}\n`;
		res.writeHead(code, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }).end(text);
	}
}

function peerOf(req: IncomingMessage): Peer {
	const socket = req.socket as TLSSocket;
	const { CN } = socket.getPeerCertificate().subject ?? {};
	return { verified: socket.authorized, commonName: Array.isArray(CN) ? CN[0] : CN };
}
