/** The page of the demo: a handful of files, read once, served with an ETag and a strict content security policy. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';

const FILES = {
	'/': ['index.html', 'text/html; charset=utf-8'],
	'/style.css': ['style.css', 'text/css; charset=utf-8'],
	'/icon.svg': ['icon.svg', 'image/svg+xml'],
	'/app.js': ['app.js', 'text/javascript; charset=utf-8'],
	'/chat.js': ['chat.js', 'text/javascript; charset=utf-8'],
	'/compute.js': ['compute.js', 'text/javascript; charset=utf-8'],
	'/counter.js': ['counter.js', 'text/javascript; charset=utf-8'],
	'/identity.js': ['identity.js', 'text/javascript; charset=utf-8'],
	'/outside.js': ['outside.js', 'text/javascript; charset=utf-8'],
	'/page.js': ['page.js', 'text/javascript; charset=utf-8'],
	'/presence.js': ['presence.js', 'text/javascript; charset=utf-8'],
	'/status.js': ['status.js', 'text/javascript; charset=utf-8'],
	'/whiteboard.js': ['whiteboard.js', 'text/javascript; charset=utf-8'],
} as const satisfies Record<string, readonly [file: string, type: string]>;

const HEADERS = {
	'cache-control': 'no-cache',
	'content-security-policy': "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
	'referrer-policy': 'no-referrer',
	'x-content-type-options': 'nosniff',
};
const DEFAULT_SOCKET_PATH = '/socket.io/';

interface Asset {
	readonly body: Buffer;
	readonly type: string;
	readonly etag: string;
}

export interface Site {
	readonly serve: (request: IncomingMessage, response: ServerResponse) => void;
	/** Tells the page where Socket.IO is, if it is not at the usual place. */
	setSocketPath(path: string): void;
}

export function createSite(): Site {
	const folder = publicFolder();
	const assets = new Map(Object.entries(FILES).map(([path, [file, type]]) => [path, createAsset(readFileSync(folder + file), type)]));
	return {
		serve: (request, response) => answer(request, response, assets.get(pathOf(request))),
		setSocketPath(path) {
			const page = assets.get('/');
			if (page && path !== DEFAULT_SOCKET_PATH) {
				assets.set('/', createAsset(Buffer.from(page.body.toString().replace(DEFAULT_SOCKET_PATH, path)), page.type));
			}
		},
	};
}

/** Beside this file in the sources; the build leaves the page where it is. */
function publicFolder(): string {
	const beside = fileURLToPath(new URL('./public/', import.meta.url));
	return existsSync(beside) ? beside : fileURLToPath(new URL('../../src/demo/public/', import.meta.url));
}

function createAsset(body: Buffer, type: string): Asset {
	return { body, type, etag: `"${createHash('sha1').update(body).digest('base64url')}"` };
}

function pathOf(request: IncomingMessage): string {
	return (request.url ?? '/').split('?', 1)[0] ?? '/';
}

function answer(request: IncomingMessage, response: ServerResponse, asset: Asset | undefined): void {
	if (request.method !== 'GET' && request.method !== 'HEAD') {
		response.writeHead(405, { allow: 'GET, HEAD' }).end();
		return;
	}
	if (!asset) {
		response.writeHead(404, { ...HEADERS, 'content-type': 'text/plain; charset=utf-8' }).end('Not found. The demo is at /\n');
		return;
	}
	if (request.headers['if-none-match'] === asset.etag) {
		response.writeHead(304, { ...HEADERS, etag: asset.etag }).end();
		return;
	}
	response.writeHead(200, { ...HEADERS, etag: asset.etag, 'content-type': asset.type, 'content-length': asset.body.length });
	response.end(request.method === 'HEAD' ? undefined : asset.body);
}
