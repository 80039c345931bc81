/** The operator's own port: `/livez`, `/readyz`, `/metrics`. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Closable } from '../base/lifecycle.ts';
import { listen } from '../edge/listen.ts';
import { EXPOSITION_CONTENT_TYPE, renderExposition } from '../metrics/expose.ts';
import type { Metrics } from '../metrics/registry.ts';

export interface OperatorAdminOptions {
	readonly host: string;
	readonly port: number;
	readonly metrics: Metrics;
	/** Whether the collections are known: until then it can neither lead nor take over. */
	readonly isReady: () => boolean;
}

export class OperatorAdminServer implements Closable {
	readonly #options: OperatorAdminOptions;
	readonly #server: Server;

	constructor(options: OperatorAdminOptions) {
		this.#options = options;
		this.#server = createServer((req, res) => void this.#serve((req.url ?? '/').split('?')[0] ?? '/', res));
	}

	/** Resolves to the port; rejects with ERR_PORT. */
	listen(): Promise<number> {
		const { host, port } = this.#options;
		return listen(this.#server, { host, port, option: '--admin-port' });
	}

	close(): void {
		this.#server.close();
		this.#server.closeAllConnections();
	}

	async #serve(path: string, res: ServerResponse): Promise<void> {
		const { metrics, isReady } = this.#options;
		switch (path) {
			case '/livez':
				answer(res, 200, { live: true });
				return;
			case '/readyz':
				answer(res, isReady() ? 200 : 503, { ready: isReady() });
				return;
			case '/metrics': {
				const { own } = await metrics.snapshot();
				res.writeHead(200, { 'Content-Type': EXPOSITION_CONTENT_TYPE }).end(renderExposition(own));
				return;
			}
			default:
				answer(res, 404, { message: 'no such path; there are /livez, /readyz, /metrics' });
		}
	}
}

function answer(res: ServerResponse, status: number, body: object): void {
	res.writeHead(status, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}
