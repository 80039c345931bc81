/** A reverse proxy that keeps few connections to its upstream and sends any client's request over any of them. */
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Scope } from '../../support/redis-server.ts';

/** Gives the address of the proxy. */
export async function startPoolingProxy(scope: Scope, upstreamUrl: string, connections: number): Promise<string> {
	const { hostname, port } = new URL(upstreamUrl);
	const agent = new Agent({ keepAlive: true, maxSockets: connections });

	const forward = (req: IncomingMessage, res: ServerResponse): void => {
		const upstream = request({ agent, hostname, port, method: req.method, path: req.url, headers: req.headers });
		upstream.on('response', (answer) => {
			// `Connection` speaks of the upstream's connection, not of the client's.
			const { connection: _connection, 'keep-alive': _keepAlive, ...headers } = answer.headers;
			res.writeHead(answer.statusCode ?? 502, headers);
			answer.pipe(res);
		});
		upstream.on('error', () => {
			if (res.headersSent) {
				res.destroy();
			} else {
				res.writeHead(502).end();
			}
		});
		req.pipe(upstream);
	};

	const server = createServer(forward).listen(0, '127.0.0.1');
	await once(server, 'listening');
	scope.after(() => {
		server.close();
		server.closeAllConnections();
		agent.destroy();
	});
	const address = server.address();
	if (address === null || typeof address === 'string') {
		throw new Error('the proxy has no port');
	}
	return `http://127.0.0.1:${address.port}`;
}
