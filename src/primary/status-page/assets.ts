/** The files of the status page, read once. They hold no data of the pod: what the page shows it asks for, with the token. */
import { existsSync, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';

const FILES = {
	'/': ['index.html', 'text/html; charset=utf-8'],
	'/status-page.css': ['status-page.css', 'text/css; charset=utf-8'],
	'/status-page.js': ['status-page.js', 'text/javascript; charset=utf-8'],
	'/favicon.svg': ['favicon.svg', 'image/svg+xml'],
} as const satisfies Record<string, readonly [file: string, type: string]>;

const HEADERS = {
	'Cache-Control': 'no-cache',
	'Content-Security-Policy': "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
	'Referrer-Policy': 'no-referrer',
	'X-Content-Type-Options': 'nosniff',
};

/** By path: writes the file as the answer. */
export function loadStatusPage(): ReadonlyMap<string, (res: ServerResponse) => void> {
	const folder = publicFolder();
	return new Map(
		Object.entries(FILES).map(([path, [file, type]]) => {
			const body = readFileSync(folder + file);
			return [path, (res) => res.writeHead(200, { ...HEADERS, 'Content-Type': type, 'Content-Length': body.length }).end(body)];
		}),
	);
}

/** Beside this file in the sources; the build leaves the page where it is. */
function publicFolder(): string {
	const beside = fileURLToPath(new URL('./public/', import.meta.url));
	return existsSync(beside) ? beside : fileURLToPath(new URL('../../../src/primary/status-page/public/', import.meta.url));
}
