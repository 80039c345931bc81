/** The status page: `/` and what it loads. Read-only. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { loadStatusPage } from './assets.ts';
import type { StatusStream } from './stream.ts';

type Handler = (req: IncomingMessage, res: ServerResponse) => void;

interface PageRoute {
	readonly GET: { readonly guard: 'open' | 'admin'; readonly handle: Handler };
}

export function statusPageRoutes(stream: StatusStream): Record<string, PageRoute> {
	const files = [...loadStatusPage()].map(([path, send]): [string, PageRoute] => [
		path,
		{ GET: { guard: 'open', handle: (_req, res) => send(res) } },
	]);
	const handle: Handler = (req, res) => {
		if (req.method === 'HEAD') {
			res.end();
		} else {
			stream.watch(res);
		}
	};
	return { ...Object.fromEntries(files), '/status/stream': { GET: { guard: 'admin', handle } } };
}
