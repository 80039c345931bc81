/** The port-forward of an API server: WebSockets in the kubelet's framing (`v4.channel.k8s.io`), each to a TCP port of this machine. */
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

/** Two channels a port: data, and what went wrong. The first message of each is the port's number. */
const DATA = 0;
const ERROR = 1;
const PATH = /\/pods\/([^/]+)\/portforward$/;

/** `ports` maps a pod's name to the port where it is; undefined: nothing listens, 403: it is not allowed. */
export function servePortForward(server: Server, ports: (pod: string) => number | 'forbidden' | undefined): void {
	const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'v4.channel.k8s.io' });
	server.on('upgrade', (req, socket, head) => {
		const url = new URL(req.url ?? '/', 'http://api');
		const port = ports(PATH.exec(url.pathname)?.[1] ?? '');
		if (port === 'forbidden') {
			socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
			return;
		}
		sockets.handleUpgrade(req, socket, head, (client) => forward(client, port, Number(url.searchParams.get('ports'))));
	});
}

function forward(client: WebSocket, port: number | undefined, asked: number): void {
	const number = Buffer.alloc(2);
	number.writeUInt16LE(asked);
	for (const channel of [DATA, ERROR]) {
		client.send(Buffer.concat([Buffer.of(channel), number]));
	}
	if (port === undefined) {
		client.send(Buffer.concat([Buffer.of(ERROR), Buffer.from('failed to connect to localhost:9464 inside namespace')]));
		return;
	}
	const pod = connect(port, '127.0.0.1');
	pod.on('data', (bytes) => client.send(Buffer.concat([Buffer.of(DATA), bytes])));
	pod.once('error', () => client.close());
	pod.once('close', () => client.close());
	client.on('message', (message: Buffer) => {
		if (message[0] === DATA) {
			pod.write(message.subarray(1));
		}
	});
	client.once('close', () => pod.destroy());
}
